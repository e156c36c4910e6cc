//! What a running engine tells, as the status of its resource.

use std::collections::BTreeMap;

use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::{BackupStatus, RebuildStatus, RestoreStatus};
use aurochs_engine::grpc::engine_v1;

use crate::resources::engine::{
    ACTUAL_SIZE_STEP, CloneProgress, EngineStatus, HashPhase, HashProgress, InstanceState, PurgeStatus, RebuildPace,
    ReplicaHash, RestorePhase, RestoreProgress,
};
use crate::resources::timestamp;

/// The status after the engine told this. I/O counters are left out: nothing that only counts up goes into the store.
pub(crate) fn applied(before: &EngineStatus, message: &engine_v1::EngineStatus, address: &str) -> EngineStatus {
    let current_state = match message.state() {
        engine_v1::EngineState::Running => InstanceState::Running,
        engine_v1::EngineState::Starting => InstanceState::Starting,
        engine_v1::EngineState::Stopping => InstanceState::Stopping,
        engine_v1::EngineState::Failed => InstanceState::Error,
        engine_v1::EngineState::Unspecified => before.current_state,
    };
    let mut status = EngineStatus {
        current_state,
        started: current_state == InstanceState::Running,
        starting: current_state == InstanceState::Starting,
        current_size: ByteSize(message.size_bytes),
        address: address.to_owned(),
        endpoint: message.endpoint.clone(),
        nbd_uri: message.nbd_uri.clone(),
        frontend_in_use: message.frontend.clone(),
        frontend_reason: message.frontend_reason.clone(),
        epoch: message.epoch,
        generation: message.generation,
        cause: message.cause.clone(),
        actual_size: ByteSize(message.actual_size_bytes).round_up(ACTUAL_SIZE_STEP),
        reconcile_regions_left: message.reconcile_regions_left,
        snapshots: message.snapshots.iter().map(|snapshot| (snapshot.name.clone(), layer(snapshot))).collect(),
        rebuild_status: message.rebuilds.iter().map(|one| (one.replica.clone(), rebuild(one))).collect(),
        purge_status: message.purges.iter().map(|one| (one.replica.clone(), purge(one))).collect(),
        unmap_mark_snap_chain_removed_enabled: message.unmap_mark_snap_chain_removed,
        exclusive_work: message.exclusive_work.clone(),
        is_expanding: message.is_expanding,
        last_expansion_error: message.last_expansion_error.clone(),
        last_expansion_failed_at: message.last_expansion_failed_at.clone(),
        snapshot_max_count: message.snapshot_max_count,
        snapshot_max_size: ByteSize(message.snapshot_max_size_bytes),
        clone: message.clone.as_ref().map(clone),
        hash: message.hash.as_ref().map(hash),
        salvage_executed: !message.salvage.is_empty(),
        salvage: message.salvage.clone(),
        mounted_at: message.mounted_at.clone(),
        turned_read_only: message.turned_read_only.clone(),
        rebuild_pace: message.rebuild_pace.as_ref().map(pace).unwrap_or_default(),
        backup_status: message.backups.iter().map(|one| (one.backup.clone(), backup(one))).collect(),
        restore: message.restore.as_ref().map(restore),
        restore_status: restores(message),
        last_restored_backup: message.last_restored_backup.clone(),
        last_restored_volume: message.last_restored_volume.clone(),
        last_restored_created: message.last_restored_created.clone(),
        unfinished_restore: message.unfinished_restore.clone(),
        ..before.clone()
    };
    apply_replicas(&mut status, before, &message.replicas);
    status
}

fn apply_replicas(status: &mut EngineStatus, before: &EngineStatus, replicas: &[engine_v1::Replica]) {
    status.replica_mode_map.clear();
    status.replica_transition_time_map.clear();
    status.current_replica_address_map.clear();
    status.replica_causes.clear();
    for replica in replicas {
        let (name, mode) = (replica.name.clone(), mode(replica.mode()));
        let since = match before.replica_transition_time_map.get(&name) {
            Some(since) if before.replica_mode_map.get(&name) == Some(&mode) => since.clone(),
            _ => timestamp::now(),
        };
        status.replica_transition_time_map.insert(name.clone(), since);
        status.current_replica_address_map.insert(name.clone(), replica.address.clone());
        if !replica.cause.is_empty() {
            status.replica_causes.insert(name.clone(), replica.cause.clone());
        }
        status.replica_mode_map.insert(name, mode);
    }
}

const fn mode(mode: engine_v1::ReplicaMode) -> ReplicaMode {
    match mode {
        engine_v1::ReplicaMode::Rw => ReplicaMode::ReadWrite,
        engine_v1::ReplicaMode::Wo => ReplicaMode::WriteOnly,
        engine_v1::ReplicaMode::Err => ReplicaMode::Error,
        engine_v1::ReplicaMode::Unspecified => ReplicaMode::None,
    }
}

fn layer(snapshot: &engine_v1::Snapshot) -> Snapshot {
    Snapshot {
        name: snapshot.name.clone(),
        parent: snapshot.parent.clone(),
        children: snapshot.children.clone().into_iter().collect(),
        removed: snapshot.removed,
        usercreated: snapshot.user_created,
        created: snapshot.created.clone(),
        size: ByteSize(snapshot.size_bytes),
        labels: Some(snapshot.labels.clone().into_iter().collect()),
        checksum: String::new(),
        image_missing: snapshot.image_missing,
    }
}

/// Percent of the planned bytes; where nothing was planned, `whole`.
fn percent(done: u64, planned: u64, whole: u32) -> u32 {
    let percent = done.saturating_mul(100).checked_div(planned);
    percent.map_or(whole, |percent| u32::try_from(percent.min(100)).unwrap_or(100))
}

fn rebuild(rebuild: &engine_v1::Rebuild) -> RebuildStatus {
    let mut sources: Vec<String> = rebuild.sources.iter().map(|source| source.replica.clone()).collect();
    if sources.is_empty() {
        sources.push(rebuild.from_replica.clone());
    }
    RebuildStatus {
        replica: rebuild.replica.clone(),
        is_rebuilding: rebuild.running,
        progress: percent(rebuild.done_bytes, rebuild.planned_bytes, if rebuild.running { 0 } else { 100 }),
        state: state_word(rebuild.running, &rebuild.error).to_owned(),
        error: rebuild.error.clone(),
        from_replica_list: sources,
        planned_bytes: ByteSize(rebuild.planned_bytes),
        done_bytes: ByteSize(rebuild.done_bytes),
        bytes_per_second: rebuild.bytes_per_second,
    }
}

/// Longhorn's words for work in the background.
const fn state_word(running: bool, error: &str) -> &'static str {
    match (running, error.is_empty()) {
        (true, _) => "in_progress",
        (false, true) => "complete",
        (false, false) => "error",
    }
}

fn purge(purge: &engine_v1::Purge) -> PurgeStatus {
    let is_purging = purge.state() == engine_v1::PurgeState::PurgeInProgress;
    PurgeStatus {
        is_purging,
        progress: purge.progress,
        state: state_word(is_purging, &purge.error).to_owned(),
        error: purge.error.clone(),
        planned_bytes: ByteSize(purge.planned_bytes),
        done_bytes: ByteSize(purge.done_bytes),
    }
}

/// Longhorn's word for how far a backup or restore is.
const fn transfer_word(state: engine_v1::TransferState) -> &'static str {
    match state {
        engine_v1::TransferState::Unspecified | engine_v1::TransferState::TransferInProgress => "in_progress",
        engine_v1::TransferState::TransferComplete => "complete",
        engine_v1::TransferState::TransferFailed | engine_v1::TransferState::TransferCancelled => "error",
    }
}

const fn is_underway(state: engine_v1::TransferState) -> bool {
    matches!(state, engine_v1::TransferState::Unspecified | engine_v1::TransferState::TransferInProgress)
}

fn backup(backup: &engine_v1::BackupStatus) -> BackupStatus {
    let running = is_underway(backup.state());
    BackupStatus {
        id: backup.backup.clone(),
        snapshot: backup.snapshot.clone(),
        // No replica does it: the engine reads from all of them.
        replica: String::new(),
        backup_url: backup.url.clone(),
        size: backup.size_bytes.to_string(),
        progress: percent(backup.done_bytes, backup.planned_bytes, if running { 0 } else { 100 }),
        state: transfer_word(backup.state()).to_owned(),
        error: backup.error.clone(),
    }
}

fn restore(restore: &engine_v1::RestoreStatus) -> RestoreProgress {
    let state = restore.state();
    RestoreProgress {
        volume: restore.volume.clone(),
        backup: restore.backup.clone(),
        phase: match state {
            engine_v1::TransferState::Unspecified | engine_v1::TransferState::TransferInProgress => RestorePhase::Runs,
            engine_v1::TransferState::TransferComplete => RestorePhase::Complete,
            engine_v1::TransferState::TransferFailed => RestorePhase::Failed,
            engine_v1::TransferState::TransferCancelled => RestorePhase::Cancelled,
        },
        planned_bytes: ByteSize(restore.planned_bytes),
        done_bytes: ByteSize(restore.done_bytes),
        bytes_per_second: restore.bytes_per_second,
        error: restore.error.clone(),
        next_step: restore.next_step.clone(),
        created: restore.created.clone(),
        previous_backup: restore.previous_backup.clone(),
        started_at: restore.started_at.clone(),
        instant: restore.instant,
        remote_bytes: ByteSize(restore.remote_bytes),
    }
}

/// What is restored goes to all replicas at once, so that all of them are equally far.
fn restores(message: &engine_v1::EngineStatus) -> BTreeMap<String, RestoreStatus> {
    let Some(told) = &message.restore else { return BTreeMap::new() };
    let running = is_underway(told.state());
    let row = |replica: &engine_v1::Replica| RestoreStatus {
        replica: replica.name.clone(),
        is_restoring: running,
        last_restored: message.last_restored_backup.clone(),
        backup_url: told.url.clone(),
        filename: told.snapshot.clone(),
        progress: percent(told.done_bytes, told.planned_bytes, if running { 0 } else { 100 }),
        state: transfer_word(told.state()).to_owned(),
        error: told.error.clone(),
    };
    message.replicas.iter().map(|replica| (replica.name.clone(), row(replica))).collect()
}

pub(in crate::controllers) fn clone(clone: &engine_v1::CloneStatus) -> CloneProgress {
    let running = clone.state() == engine_v1::CloneState::InProgress;
    CloneProgress {
        source_volume: clone.source_volume.clone(),
        source_snapshot: clone.source_snapshot.clone(),
        snapshot: clone.snapshot.clone(),
        state: match clone.state() {
            engine_v1::CloneState::Complete => "complete",
            engine_v1::CloneState::Failed => "error",
            engine_v1::CloneState::InProgress | engine_v1::CloneState::Unspecified => "in_progress",
        }
        .to_owned(),
        progress: percent(clone.done_bytes, clone.planned_bytes, if running { 0 } else { 100 }),
        planned_bytes: ByteSize(clone.planned_bytes),
        done_bytes: ByteSize(clone.done_bytes),
        bytes_per_second: clone.bytes_per_second,
        error: clone.error.clone(),
        attempts_failed: clone.attempts_failed,
        last_break: clone.last_break.clone(),
    }
}

fn hash(hash: &engine_v1::SnapshotHashState) -> HashProgress {
    HashProgress {
        snapshot: hash.snapshot.clone(),
        running: hash.running,
        note: hash.note.clone(),
        replicas: hash.replicas.iter().map(|one| (one.replica.clone(), replica_hash(one))).collect(),
    }
}

fn replica_hash(hash: &engine_v1::ReplicaHash) -> ReplicaHash {
    ReplicaHash {
        phase: match hash.phase() {
            engine_v1::HashPhase::NotHashed | engine_v1::HashPhase::Unspecified => HashPhase::NotHashed,
            engine_v1::HashPhase::HashWaiting => HashPhase::Waiting,
            engine_v1::HashPhase::Hashing => HashPhase::Hashing,
            engine_v1::HashPhase::Hashed => HashPhase::Hashed,
            engine_v1::HashPhase::HashFailed => HashPhase::Failed,
        },
        checksum: hash.checksum.clone(),
        change_time: hash.change_time.clone(),
        last_hashed_at: hash.last_hashed_at.clone(),
        silently_corrupted: hash.silently_corrupted,
        differs: hash.differs,
        error: hash.error.clone(),
        done_bytes: ByteSize(hash.done_bytes),
        total_bytes: ByteSize(hash.total_bytes),
    }
}

fn pace(pace: &engine_v1::RebuildPaceStatus) -> RebuildPace {
    RebuildPace {
        max_bytes_per_second: pace.max_bytes_per_second,
        concurrent_sources: pace.concurrent_sources,
        share_percent: pace.share_percent,
    }
}

/// Something is under way whose progress people watch.
pub(super) fn is_busy(status: &EngineStatus) -> bool {
    status.reconcile_regions_left > 0
        || status.rebuild_status.values().any(|rebuild| rebuild.is_rebuilding)
        || status.purge_status.values().any(|purge| purge.is_purging)
        || status.clone.as_ref().is_some_and(|clone| clone.state == "in_progress")
        || status.hash.as_ref().is_some_and(|hash| hash.running)
        || status.backup_status.values().any(|backup| backup.state == "in_progress")
        || status.restore.as_ref().is_some_and(|restore| restore.phase == RestorePhase::Runs)
}

/// The status without what moves all the time: what is left decides whether a change is written at once.
pub(super) fn without_numbers(mut status: EngineStatus) -> EngineStatus {
    // The first data of a volume is news: who deletes one that holds data is asked for its name.
    status.actual_size = ByteSize(status.actual_size.bytes().min(1));
    status.reconcile_regions_left = status.reconcile_regions_left.min(1);
    for snapshot in status.snapshots.values_mut() {
        snapshot.size = ByteSize::ZERO;
    }
    for rebuild in status.rebuild_status.values_mut() {
        (rebuild.progress, rebuild.bytes_per_second) = (0, 0);
        (rebuild.done_bytes, rebuild.planned_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
    }
    for purge in status.purge_status.values_mut() {
        purge.progress = 0;
        (purge.done_bytes, purge.planned_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
    }
    if let Some(clone) = &mut status.clone {
        (clone.progress, clone.bytes_per_second) = (0, 0);
        (clone.done_bytes, clone.planned_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
    }
    for backup in status.backup_status.values_mut() {
        (backup.progress, backup.size) = (0, String::new());
    }
    if let Some(restore) = &mut status.restore {
        restore.bytes_per_second = 0;
        (restore.done_bytes, restore.planned_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
        restore.remote_bytes = ByteSize(restore.remote_bytes.bytes().min(1));
    }
    for restore in status.restore_status.values_mut() {
        restore.progress = 0;
    }
    for hash in status.hash.iter_mut().flat_map(|hash| hash.replicas.values_mut()) {
        (hash.done_bytes, hash.total_bytes) = (ByteSize::ZERO, ByteSize::ZERO);
    }
    status.rebuild_pace.share_percent = 0;
    for since in status.replica_transition_time_map.values_mut() {
        since.clear();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> engine_v1::EngineStatus {
        engine_v1::EngineStatus {
            state: engine_v1::EngineState::Running.into(),
            replicas: vec![engine_v1::Replica {
                name: "a".into(),
                mode: engine_v1::ReplicaMode::Rw.into(),
                ..Default::default()
            }],
            rebuilds: vec![engine_v1::Rebuild {
                replica: "b".into(),
                planned_bytes: 200,
                done_bytes: 50,
                running: true,
                ..Default::default()
            }],
            actual_size_bytes: 1,
            ..Default::default()
        }
    }

    #[test]
    fn what_the_engine_tells_becomes_the_status() {
        let status = applied(&EngineStatus::default(), &message(), "unix:/e");
        assert_eq!(status.current_state, InstanceState::Running);
        assert_eq!(status.replica_mode_map["a"], ReplicaMode::ReadWrite);
        assert_eq!((status.rebuild_status["b"].progress, status.actual_size), (25, ACTUAL_SIZE_STEP));
        assert_eq!(applied(&status, &message(), "unix:/e"), status, "the same message changes nothing");
    }

    #[test]
    fn counters_are_not_stored() {
        let before = applied(&EngineStatus::default(), &message(), "unix:/e");
        let mut later = message();
        later.io = Some(engine_v1::IoCounters { reads: 7, written_bytes: 1 << 30, ..engine_v1::IoCounters::default() });
        assert_eq!(applied(&before, &later, "unix:/e"), before);
    }

    #[test]
    fn a_rebuild_names_all_its_sources() {
        let mut message = message();
        let source = |replica: &str| engine_v1::RebuildSource { replica: replica.into(), ..Default::default() };
        message.rebuilds[0].sources = vec![source("a"), source("c")];
        let status = applied(&EngineStatus::default(), &message, "unix:/e");
        assert_eq!(status.rebuild_status["b"].from_replica_list, ["a", "c"]);
    }

    #[test]
    fn the_first_data_is_news_and_more_of_it_is_not() {
        let holding = |bytes| {
            let message = engine_v1::EngineStatus { actual_size_bytes: bytes, ..message() };
            without_numbers(applied(&EngineStatus::default(), &message, "unix:/e"))
        };
        assert_ne!(holding(0), holding(4096));
        assert_eq!(holding(4096), holding(1 << 30));
    }

    #[test]
    fn progress_alone_is_no_change_of_state() {
        let before = applied(&EngineStatus::default(), &message(), "unix:/e");
        let mut further = message();
        further.rebuilds[0].done_bytes = 150;
        assert_eq!(without_numbers(applied(&before, &further, "unix:/e")), without_numbers(before.clone()));
        let purge = |state: engine_v1::PurgeState, progress| engine_v1::Purge {
            replica: "a".into(),
            state: state.into(),
            progress,
            ..engine_v1::Purge::default()
        };
        further.purges = vec![purge(engine_v1::PurgeState::PurgeInProgress, 10)];
        let purging = applied(&before, &further, "unix:/e");
        assert!(is_busy(&purging));
        assert_ne!(without_numbers(purging.clone()), without_numbers(before.clone()), "a purge that starts is news");
        further.purges = vec![purge(engine_v1::PurgeState::PurgeInProgress, 60)];
        assert_eq!(without_numbers(applied(&before, &further, "unix:/e")), without_numbers(purging));
        further.rebuilds[0].running = false;
        assert_ne!(without_numbers(applied(&before, &further, "unix:/e")), without_numbers(before));
    }
}
