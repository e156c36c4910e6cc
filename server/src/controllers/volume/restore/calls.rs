//! What the engine of a volume is asked about its restore.

use aurochs_api::snapshot::Snapshot;
use aurochs_engine::grpc::engine_v1::{BackupCredentials, BackupRestoreRequest, SnapshotNameRequest, StatusRequest};

use super::wish::Wanted;
use crate::controllers::engine::told;
use crate::controllers::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::EngineStatus;
use crate::resources::{BackupTarget, Engine, Object};
use crate::settings::Name;

/// Labels of the layer that holds a backup: its name, and when it was complete.
const LABEL_RESTORED: &str = "aurochs.io/restored-backup";
const LABEL_RESTORED_CREATED: &str = "aurochs.io/restored-backup-created";

/// What the engine itself tells now: what is stored of it lags by a moment.
pub(super) async fn told(context: &Context, engine: &Object<Engine>) -> Result<EngineStatus, Error> {
    let address = &engine.status.address;
    let answer = context.clients.engine(address)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
    let message = answer.map_err(rpc(format!("asking engine {} for its restore", engine.name())))?.into_inner();
    Ok(told::applied(&engine.status, &message, address))
}

/// The volume holds again what the last restore that came to its end made it: a difference that is half there is given up.
pub(super) async fn give_up_difference(
    context: &Context,
    engine: &Object<Engine>,
    told: &EngineStatus,
) -> Result<(), Error> {
    let Some(held) = told.snapshots.values().find(|layer| holds(layer, told)) else {
        return Err(Error::Other(format!(
            "engine {} has no layer of backup {}",
            engine.name(),
            told.last_restored_backup
        )));
    };
    let request = within(CHANGE_TIMEOUT, SnapshotNameRequest { name: held.name.clone() });
    let reverted = context.clients.engine(&engine.status.address)?.snapshot_revert(request).await;
    reverted.map_err(rpc(format!(
        "having engine {} go back to backup {}",
        engine.name(),
        told.last_restored_backup
    )))?;
    Ok(())
}

/// Whether this layer is the one of the last restored backup: of two that had its name, the very one.
fn holds(layer: &Snapshot, told: &EngineStatus) -> bool {
    let label = |key: &str| layer.labels.as_ref().and_then(|labels| labels.get(key)).map_or("", String::as_str);
    !layer.removed
        && label(LABEL_RESTORED) == told.last_restored_backup
        && label(LABEL_RESTORED_CREATED) == told.last_restored_created
}

/// Has the engine begin, or go on with what broke off; `instant`: for a volume that is used meanwhile. The inner error is a refusal.
pub(super) async fn begin(
    context: &Context,
    engine: &Object<Engine>,
    wanted: &Wanted,
    target: &Object<BackupTarget>,
    instant: bool,
) -> Result<Result<(), String>, Error> {
    let values = context.backups.credentials_of(&target.spec)?.into_iter().collect();
    let request = BackupRestoreRequest {
        target_url: target.spec.backup_target_url.clone(),
        credentials: Some(BackupCredentials { values }),
        volume: wanted.volume.clone(),
        backup: wanted.backup.clone(),
        concurrency: u32::try_from(context.settings.number(Name::RestoreConcurrentLimit)).unwrap_or_default(),
        instant,
    };
    let doing = format!("having engine {} restore backup {}", engine.name(), wanted.backup);
    let mut client = context.clients.engine(&engine.status.address)?;
    match client.backup_restore(within(CHANGE_TIMEOUT, request)).await.map_err(rpc(doing)) {
        Err(error) if error.is_unreachable() => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
        Ok(_) => Ok(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_layers_with_one_name_the_one_that_is_told_of() {
        let layer = |created: Option<&str>| {
            let labels = [(LABEL_RESTORED, Some("b1")), (LABEL_RESTORED_CREATED, created)];
            let labels = labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
            Snapshot { labels: Some(labels.collect()), ..Snapshot::default() }
        };
        let mut told = EngineStatus { last_restored_backup: "b1".into(), ..EngineStatus::default() };
        assert!(holds(&layer(None), &told) && !holds(&layer(Some("later")), &told));
        told.last_restored_created = "later".into();
        assert!(holds(&layer(Some("later")), &told) && !holds(&layer(None), &told));
        assert!(!holds(&Snapshot { removed: true, ..layer(Some("later")) }, &told));
    }
}
