//! How many volumes are filled on a node at once (`concurrent-volume-backup-restore-per-node-limit`).

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;

use super::REASON_IN_PROGRESS;
use crate::controllers::{Context, Error};
use crate::resources::volume::CONDITION_RESTORE;
use crate::resources::{Engine, Object, Volume, condition};
use crate::settings::Name;

/// What is told when it must wait. A volume that has begun goes on: two that wait for each other would wait for ever.
pub(super) async fn must_wait(
    context: &Context,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
) -> Result<Option<Cause>, Error> {
    let limit = context.settings.number(Name::ConcurrentVolumeBackupRestorePerNodeLimit);
    let node = &engine.spec.node_id;
    if limit > 0 && has_begun(volume) {
        return Ok(None);
    }
    let all = context.store.list_shared::<Volume>().await?;
    let others = all.iter().filter(|other| other.name() != volume.name() && other.spec.node_id == *node);
    let busy = others.filter(|other| has_begun(other)).count();
    if (busy as u64) < limit {
        return Ok(None);
    }
    let name = volume.name();
    let message = match limit {
        0 => format!("{name} is not filled from its backup: the setting allows no restores."),
        _ => format!("{name} waits to be filled from its backup: {busy} restores run on {node}, and {limit} may."),
    };
    let next_step = "Wait, or raise concurrent-volume-backup-restore-per-node-limit.";
    let cause = Cause::new(CauseCode::Restoring, Severity::Info, message, next_step);
    Ok(Some(cause.about([name, node.as_str()])))
}

/// It is noted before anything is fetched, and taken back when all of it is there.
fn has_begun(volume: &Object<Volume>) -> bool {
    let told = condition::find(&volume.status.conditions, CONDITION_RESTORE);
    told.is_some_and(|told| told.status == ConditionStatus::True && told.reason == REASON_IN_PROGRESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::engine::EngineSpec;
    use crate::resources::volume::VolumeSpec;

    #[tokio::test]
    async fn restores_on_a_node_wait_for_their_turn() {
        let (context, _directory) = bench::context(&["node-1"]).await;
        let volume = |name: &str, node: &str| {
            Object::<Volume>::new(name, VolumeSpec { node_id: node.into(), ..VolumeSpec::default() })
        };
        for (name, node) in [("busy", "node-1"), ("elsewhere", "node-2"), ("idle", "node-1")] {
            context.store.create(&volume(name, node)).await.unwrap();
        }
        for name in ["busy", "elsewhere"] {
            let begin = |status: &mut crate::resources::volume::VolumeStatus| {
                let value = ConditionStatus::True;
                condition::set(&mut status.conditions, CONDITION_RESTORE, value, REASON_IN_PROGRESS, "");
            };
            context.store.modify_status::<Volume>(name, begin).await.unwrap();
        }
        let engine = Object::<Engine>::new("e", EngineSpec { node_id: "node-1".into(), ..EngineSpec::default() });
        for (limit, waits) in [("0", true), ("1", true), ("2", false)] {
            context.settings.set(Name::ConcurrentVolumeBackupRestorePerNodeLimit.word(), limit);
            let told = must_wait(&context, &volume("new", "node-1"), &engine).await.unwrap();
            assert_eq!(told.is_some(), waits, "{limit}: {told:?}");
        }
        context.settings.set(Name::ConcurrentVolumeBackupRestorePerNodeLimit.word(), "1");
        let busy = context.store.get::<Volume>("busy").await.unwrap();
        assert!(must_wait(&context, &busy, &engine).await.unwrap().is_none(), "it has begun");
    }
}
