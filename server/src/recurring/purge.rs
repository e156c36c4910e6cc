//! Purging a volume within a run, and waiting for its end.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::SnapshotPurgeRequest;
use tokio::time::Instant;

use super::part::Part;
use super::reach;
use super::trouble::Trouble;
use crate::controllers::snapshot::purge as snapshots;
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::{Engine, Object};
use crate::settings::Name;

/// Longhorn's.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two looks: short at first, then Longhorn's.
const LOOK_PERIODS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// `system_too`: also snapshots that no user took. Says what became of it.
pub(super) async fn run(part: &Part, engine: Object<Engine>, system_too: bool) -> Result<String, Trouble> {
    if snapshots::is_disabled(&part.context) {
        return Ok("purges are switched off by the setting disable-snapshot-purge".to_owned());
    }
    let wanted = snapshots::wanted(&engine.status.snapshots, system_too);
    if wanted.is_empty() {
        return Ok("no removed snapshot can be purged".to_owned());
    }
    let deadline = Instant::now() + PATIENCE;
    let engine = until(part, engine, Awaited::Turn, deadline).await?;
    start(part, &engine).await?;
    let engine = until(part, engine, Awaited::End, deadline).await?;
    let failures: Vec<String> =
        snapshots::failures(&engine.status).map(|(replica, error)| format!("{replica}: {error}")).collect();
    if failures.is_empty() {
        return Ok(format!("purged {}", wanted.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let why = failures.join("; ");
    tell(part, Reason::FailedSnapshotPurge, &why);
    Err(Trouble::Said(format!("the purge failed: {why}")))
}

async fn start(part: &Part, engine: &Object<Engine>) -> Result<(), Trouble> {
    let request = within(CHANGE_TIMEOUT, SnapshotPurgeRequest { skip_if_in_progress: true });
    let answer = part.context.clients.engine(&engine.status.address)?.snapshot_purge(request).await;
    answer.map(drop).map_err(|status| {
        let error = rpc(format!("purging the snapshots of volume {}", part.name()))(status);
        tell(part, Reason::FailedStartingSnapshotPurge, &error.to_string());
        error.into()
    })
}

/// What the engine is asked for again and again.
#[derive(Clone, Copy)]
enum Awaited {
    /// Nothing else is at work in it, and fewer engines of its node purge or copy than may.
    Turn,
    End,
}

impl Awaited {
    async fn has_come(self, part: &Part, engine: &Object<Engine>) -> Result<bool, Trouble> {
        // A purge that runs already is the one that is wanted.
        let runs = snapshots::is_running(&engine.status);
        match self {
            Self::End => Ok(!runs),
            Self::Turn if runs => Ok(true),
            Self::Turn => {
                let limit = part.context.settings.number(Name::SnapshotHeavyTaskConcurrentLimit);
                let mut heavy = snapshots::heavy_engines(&part.context, &engine.spec.node_id).await?;
                heavy.remove(engine.name());
                let has_room = limit == 0 || (heavy.len() as u64) < limit;
                Ok(has_room && engine.status.exclusive_work.is_empty())
            }
        }
    }
}

async fn until(
    part: &Part,
    engine: Object<Engine>,
    awaited: Awaited,
    deadline: Instant,
) -> Result<Object<Engine>, Trouble> {
    let (mut period, longest) = LOOK_PERIODS;
    let mut engine = engine;
    loop {
        let Some(now) = reach::asked(&part.context, engine).await? else {
            return Err(Trouble::Said("its engine stopped in the middle of it".to_owned()));
        };
        if awaited.has_come(part, &now).await? {
            return Ok(now);
        }
        if Instant::now() >= deadline {
            let why = format!("the purge did not end within {} hours", PATIENCE.as_secs() / 3600);
            tell(part, Reason::TimeoutSnapshotPurge, &why);
            return Err(Trouble::Said(why));
        }
        engine = now;
        tokio::time::sleep(period).await;
        period = (period * 2).min(longest);
    }
}

fn tell(part: &Part, reason: Reason, why: &str) {
    part.context.events.emit(&ObjectRef::from(&part.volume), reason, EventType::Warning, why);
}
