//! Purges: what removed snapshots take is given back.
//!
//! Whether one is wanted follows from the layers alone, so that a restart forgets nothing. Heavy work of the engines on
//! one node is counted (`snapshot-heavy-task-concurrent-limit`); a purge that left what it was for rests, longer each time.

use std::collections::BTreeSet;
use std::time::Duration;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::snapshot::Snapshot as Layer;
use aurochs_engine::grpc::engine_v1::SnapshotPurgeRequest;

use super::super::{Context, Error};
use super::delete::{self, Fate};
use super::memory::Memory;
use super::names::Layers;
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::engine::EngineStatus;
use crate::resources::volume::{CloneState, Robustness};
use crate::resources::{Engine, Object, Volume};
use crate::settings::Name;

/// How soon to look again when others' heavy work fills the node.
const LIMIT_PAUSE: Duration = Duration::from_secs(10);

#[must_use]
pub fn is_disabled(context: &Context) -> bool {
    context.settings.flag(Name::DisableSnapshotPurge)
}

/// The snapshots that a purge would take away. `system_too`: also those that no user took.
pub(crate) fn wanted(layers: &Layers, system_too: bool) -> BTreeSet<String> {
    let of_system = |layer: &Layer| system_too && !layer.usercreated && !layer.removed;
    let goes = |layer: &&Layer| layer.name != VOLUME_HEAD && (of_system(layer) || is_mergeable(layers, layer));
    layers.values().filter(goes).map(|layer| layer.name.clone()).collect()
}

/// What stands on it has to have its file; without it the layer is kept (and a purge would only say so).
fn is_mergeable(layers: &Layers, layer: &Layer) -> bool {
    let is_missing = |child: &String| layers.get(child).is_some_and(|child| child.image_missing);
    layer.removed && delete::fate(&layer.children) == Fate::Mergeable && !layer.children.keys().any(is_missing)
}

pub(crate) fn is_running(status: &EngineStatus) -> bool {
    status.purge_status.values().any(|purge| purge.is_purging)
}

/// Whether the engine would begin one now.
fn is_possible(status: &EngineStatus) -> bool {
    status.exclusive_work.is_empty() && !is_running(status) && all_read_write(status)
}

pub(super) fn all_read_write(status: &EngineStatus) -> bool {
    let modes = &status.replica_mode_map;
    !modes.is_empty() && modes.values().all(|mode| *mode == ReplicaMode::ReadWrite)
}

/// Every replica that should serve does: what a rebuild left is of no use any more.
fn is_complete(volume: &Object<Volume>, status: &EngineStatus) -> bool {
    volume.status.robustness == Robustness::Healthy && all_read_write(status)
}

/// What there is to do after a look at a volume's purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    Nothing,
    /// It runs, or waits for what runs: the engine is needed on. When to look though nothing tells, if so.
    Busy(Option<Duration>),
    /// The last one left something; the next one comes after this time.
    Rests(Duration),
}

/// Starts a purge if one is wanted and may be. `marked`: a snapshot was marked removed just now; where it is below the head
/// it stays, and gives back what the head hides.
pub(super) async fn run(
    context: &Context,
    memory: &Memory,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    marked: bool,
) -> Result<Outlook, Error> {
    let status = &engine.status;
    if is_running(status) {
        memory.purge_runs(volume.name());
        return Ok(Outlook::Busy(None));
    }
    if is_disabled(context) {
        return Ok(Outlook::Nothing);
    }
    let cleans = context.settings.flag(Name::AutoCleanupSystemGeneratedSnapshot) && is_complete(volume, status);
    let wanted = wanted(&status.snapshots, cleans);
    if wanted.is_empty() && !marked {
        memory.purge_done(volume.name());
        return Ok(Outlook::Nothing);
    }
    if !is_possible(status) {
        // What runs tells its end by a change of the engine's status.
        return Ok(Outlook::Busy(None));
    }
    tell_failure(context, memory, volume, status);
    if let Some(pause) = memory.purge_pause(volume.name(), &wanted).filter(|_| !marked) {
        return Ok(Outlook::Rests(pause));
    }
    let _counting = memory.counting.lock().await;
    if !has_room(context, memory, engine).await? {
        return Ok(Outlook::Busy(Some(LIMIT_PAUSE)));
    }
    start(context, memory, volume, engine, &wanted).await
}

async fn start(
    context: &Context,
    memory: &Memory,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    wanted: &BTreeSet<String>,
) -> Result<Outlook, Error> {
    let doing = format!("purging the snapshots of volume {}", volume.name());
    let request = within(CHANGE_TIMEOUT, SnapshotPurgeRequest { skip_if_in_progress: true });
    let answer = context.clients.engine(&engine.status.address)?.snapshot_purge(request).await.map_err(rpc(doing));
    match answer {
        Err(error) if error.is_unreachable() => Err(error.into()),
        Err(error) => {
            memory.note_purge(volume.name(), wanted);
            memory.tell_purge(volume.name());
            let (about, text) = (ObjectRef::from(volume), error.to_string());
            context.events.emit(&about, Reason::FailedStartingSnapshotPurge, EventType::Warning, &text);
            Ok(memory.purge_pause(volume.name(), wanted).map_or(Outlook::Nothing, Outlook::Rests))
        }
        Ok(_) => {
            memory.note_purge(volume.name(), wanted);
            memory.note_heavy(engine.name(), &engine.spec.node_id);
            tracing::info!(volume = volume.name(), ?wanted, "purging removed snapshots");
            Ok(Outlook::Busy(None))
        }
    }
}

/// Why the last purge left what it was for.
fn tell_failure(context: &Context, memory: &Memory, volume: &Object<Volume>, status: &EngineStatus) {
    let errors: Vec<String> = failures(status).map(|(replica, error)| format!("{replica}: {error}")).collect();
    if !errors.is_empty() && memory.tell_purge(volume.name()) {
        let (about, text) = (ObjectRef::from(volume), errors.join("; "));
        context.events.emit(&about, Reason::FailedSnapshotPurge, EventType::Warning, &text);
    }
}

/// Replicas whose last purge failed, and why. What was taken out while it purged took its snapshots along.
pub(crate) fn failures(status: &EngineStatus) -> impl Iterator<Item = (&String, &String)> {
    let there = status.purge_status.iter().filter(|(replica, _)| status.replica_mode_map.contains_key(*replica));
    let failed = there.filter(|(_, purge)| !purge.is_purging && !purge.error.is_empty());
    failed.map(|(replica, purge)| (replica, &purge.error))
}

/// Fewer engines of the node purge or copy than may.
async fn has_room(context: &Context, memory: &Memory, engine: &Object<Engine>) -> Result<bool, Error> {
    let limit = context.settings.number(Name::SnapshotHeavyTaskConcurrentLimit);
    if limit == 0 {
        return Ok(true);
    }
    let node = &engine.spec.node_id;
    let mut busy = memory.heavy_on(node);
    busy.extend(heavy_engines(context, node).await?);
    busy.remove(engine.name());
    Ok((busy.len() as u64) < limit)
}

/// Engines on the node that purge or copy, as far as the store knows; a copy counts from the moment at which it is to
/// begin.
pub(crate) async fn heavy_engines(context: &Context, node: &str) -> Result<BTreeSet<String>, Error> {
    let (engines, volumes) = tokio::try_join!(context.store.list::<Engine>(), context.store.list_shared::<Volume>())?;
    let begins: BTreeSet<&str> = volumes
        .iter()
        .filter(|volume| volume.status.clone_status.state == CloneState::Initiated)
        .map(|volume| volume.name())
        .collect();
    let counts = |one: &&Object<Engine>| {
        one.spec.node_id == *node && (is_heavy(&one.status) || begins.contains(one.spec.volume_name.as_str()))
    };
    Ok(engines.iter().filter(counts).map(|one| one.name().to_owned()).collect())
}

fn is_heavy(status: &EngineStatus) -> bool {
    is_running(status) || status.clone.as_ref().is_some_and(|clone| clone.state == "in_progress")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::engine::{EngineSpec, PurgeStatus};
    use crate::resources::volume::{VolumeSpec, VolumeStatus};

    /// What another engine does meanwhile.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Other {
        Rests,
        Purges,
        PurgesElsewhere,
        /// Its copy is to begin; the engine tells nothing of it yet.
        Copies,
        /// It was asked for a purge a moment ago.
        WasAsked,
    }

    async fn put(context: &Context, memory: &Memory, name: &str, does: Other) -> Object<Engine> {
        let node_id = if does == Other::PurgesElsewhere { "node-2" } else { "node-1" }.to_owned();
        let spec = EngineSpec { volume_name: name.into(), node_id, ..EngineSpec::default() };
        let engine = format!("{name}-e-0");
        context.store.create(&Object::<Engine>::new(&engine, spec)).await.unwrap();
        context.store.create(&Object::<Volume>::new(name, VolumeSpec::default())).await.unwrap();
        let is_purging = matches!(does, Other::Purges | Other::PurgesElsewhere);
        let change = |status: &mut EngineStatus| {
            status.purge_status.insert("r".into(), PurgeStatus { is_purging, ..PurgeStatus::default() });
        };
        let stored = context.store.modify_status::<Engine>(&engine, change).await.unwrap();
        if does == Other::Copies {
            let begins = |status: &mut VolumeStatus| status.clone_status.state = CloneState::Initiated;
            context.store.modify_status::<Volume>(name, begins).await.unwrap();
        }
        if does == Other::WasAsked {
            memory.note_heavy(&engine, "node-1");
        }
        stored
    }

    /// behaviour.md §6, row "concurrency": purges and clones of one node.
    #[tokio::test]
    async fn concurrency_of_heavy_tasks_per_node() {
        use Other::{Copies, Purges, PurgesElsewhere, Rests, WasAsked};
        let rows: &[(&str, &[Other], bool)] = &[
            ("1", &[], true),
            ("1", &[Rests], true),
            ("1", &[Purges], false),
            ("1", &[PurgesElsewhere], true),
            ("1", &[Copies], false),
            ("1", &[WasAsked], false),
            ("2", &[Purges], true),
            ("2", &[Purges, Copies], false),
            ("2", &[Purges, PurgesElsewhere, Rests], true),
            // No limit.
            ("0", &[Purges, Purges, Copies, WasAsked], true),
        ];
        for (limit, others, expected) in rows {
            let (context, _directory) = bench::context(&["node-1", "node-2"]).await;
            let memory = Memory::default();
            context.settings.set(Name::SnapshotHeavyTaskConcurrentLimit.word(), limit);
            // What it does itself holds it back in no way.
            let own = put(&context, &memory, "own", Purges).await;
            for (number, does) in others.iter().enumerate() {
                put(&context, &memory, &format!("v{number}"), *does).await;
            }
            assert_eq!(has_room(&context, &memory, &own).await.unwrap(), *expected, "{limit} {others:?}");
        }
    }
}
