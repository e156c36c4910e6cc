//! Why a volume's snapshots are not as wished.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::size::ByteSize;

use crate::controllers::snapshot::{self, purge};
use crate::resources::engine::EngineStatus;
use crate::resources::{Object, Volume};

/// Replicas or snapshots that one sentence names at most.
const NAMED_MAXIMUM: usize = 5;

/// Everything that the running engine tells; `count` and `size`: what the volume may have.
pub(super) fn all(
    volume: &Object<Volume>,
    status: &EngineStatus,
    count: u32,
    size: ByteSize,
) -> impl Iterator<Item = Cause> {
    let causes = [
        corrupted(volume, status),
        missing(volume, status),
        limit(volume, status, count, size),
        purge_failed(volume, status),
    ];
    causes.into_iter().flatten()
}

fn cause(code: CauseCode, severity: Severity, message: String, next_step: &str, objects: Vec<String>) -> Cause {
    Cause { code, severity, message, next_step: next_step.to_owned(), objects, details: Vec::new() }
}

/// The last replica is corrupted: nobody has the data any more.
fn corrupted(volume: &Object<Volume>, status: &EngineStatus) -> Option<Cause> {
    let hash = status.hash.as_ref()?;
    let replicas: Vec<String> = snapshot::found_corrupted(status, hash).map(|(replica, _)| replica.clone()).collect();
    if replicas.is_empty() || snapshot::is_good_one_left(status, hash) {
        return None;
    }
    let message = format!(
        "The data of snapshot {} of {} changed on the disks of all of its replicas ({}) though nobody wrote it.",
        hash.snapshot,
        volume.name(),
        replicas.join(", ")
    );
    let next_step = "Check these disks; restore the volume from a backup, or copy what can still be read to a new one.";
    Some(cause(CauseCode::SnapshotDamaged, Severity::Error, message, next_step, replicas))
}

fn missing(volume: &Object<Volume>, status: &EngineStatus) -> Option<Cause> {
    let lost: Vec<String> =
        status.snapshots.values().filter(|layer| layer.image_missing).map(|layer| layer.name.clone()).collect();
    if lost.is_empty() {
        return None;
    }
    let named = lost.iter().take(NAMED_MAXIMUM).map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("The files of {} snapshots of {} are missing: {named}.", lost.len(), volume.name());
    let next_step = "Put the files back and detach and attach the volume, or delete these snapshots.";
    Some(cause(CauseCode::SnapshotDamaged, Severity::Error, message, next_step, lost))
}

/// No further snapshot can be taken.
fn limit(volume: &Object<Volume>, status: &EngineStatus, count: u32, size: ByteSize) -> Option<Cause> {
    let live = || status.snapshots.values().filter(|layer| !layer.removed);
    let snapshots = live().filter(|layer| layer.name != VOLUME_HEAD).count();
    let held = ByteSize(live().map(|layer| layer.size.bytes()).sum());
    let name = volume.name();
    let (message, next_step) = if snapshots >= usize::try_from(count).unwrap_or(usize::MAX) {
        let message = format!("{name} has {snapshots} snapshots and may have {count}: no further one is taken.");
        (message, "Delete snapshots, or raise the volume's snapshotMaxCount.")
    } else if size > ByteSize::ZERO && held > size {
        let message =
            format!("{name} and its snapshots hold {held} and may hold {size}: no further snapshot is taken.");
        (message, "Delete snapshots, or raise the volume's snapshotMaxSize.")
    } else {
        return None;
    };
    Some(cause(CauseCode::SnapshotLimit, Severity::Warning, message, next_step, vec![name.to_owned()]))
}

/// More than a warning is wished for; said only while further ones are still taken.
pub(super) fn crowded(volume: &Object<Volume>, why: &str) -> Cause {
    let message = format!("{}: {why}.", volume.name());
    let next_step = "Delete snapshots that nobody needs, or raise snapshot-count-warning-threshold.";
    cause(CauseCode::SnapshotLimit, Severity::Warning, message, next_step, vec![volume.name().to_owned()])
}

fn purge_failed(volume: &Object<Volume>, status: &EngineStatus) -> Option<Cause> {
    if !status.exclusive_work.is_empty() || purge::is_running(status) {
        return None;
    }
    let failed: Vec<(&String, &String)> = purge::failures(status).collect();
    let (replica, error) = failed.first()?;
    let message = format!(
        "Removed snapshots of {} still take space on {} of its replicas; {replica}: {error}.",
        volume.name(),
        failed.len()
    );
    let replicas = failed.iter().map(|(replica, _)| (*replica).clone()).collect();
    let next_step = "It is tried again by itself, at most an hour later; give the disk more room if it lacks some.";
    Some(cause(CauseCode::PurgeFailed, Severity::Warning, message, next_step, replicas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::replica::ReplicaMode;
    use aurochs_api::snapshot::Snapshot as Layer;

    use crate::resources::engine::{HashProgress, PurgeStatus, ReplicaHash};

    fn status(snapshots: usize) -> EngineStatus {
        let names = (0..snapshots).map(|at| format!("s{at}")).chain([VOLUME_HEAD.to_owned()]);
        let layer = |name: String| (name.clone(), Layer { name, size: ByteSize(10), ..Layer::default() });
        EngineStatus { snapshots: names.map(layer).collect(), ..EngineStatus::default() }
    }

    fn codes(status: &EngineStatus, count: u32, size: u64) -> Vec<CauseCode> {
        let volume = Object::<Volume>::new("v", Default::default());
        let causes: Vec<Cause> = all(&volume, status, count, ByteSize(size)).collect();
        assert!(causes.iter().all(|cause| !cause.next_step.is_empty() && !cause.objects.is_empty()), "{causes:?}");
        causes.into_iter().map(|cause| cause.code).collect()
    }

    #[test]
    fn a_volume_that_may_have_no_further_snapshot_says_so() {
        assert_eq!(codes(&status(2), 3, 0), []);
        assert_eq!(codes(&status(3), 3, 0), [CauseCode::SnapshotLimit]);
        assert_eq!(codes(&status(2), 250, 30), [], "the engine takes one as long as no more is held");
        assert_eq!(codes(&status(2), 250, 29), [CauseCode::SnapshotLimit], "the head counts");
        let mut removed = status(3);
        removed.snapshots.get_mut("s0").unwrap().removed = true;
        assert_eq!(codes(&removed, 3, 0), []);
    }

    #[test]
    fn a_failed_purge_and_a_missing_file_are_told() {
        let mut status = status(1);
        status.snapshots.get_mut("s0").unwrap().image_missing = true;
        let failed = PurgeStatus { error: "needs 4 GiB".into(), ..PurgeStatus::default() };
        status.purge_status.insert("r".into(), failed.clone());
        assert_eq!(codes(&status, 9, 0), [CauseCode::SnapshotDamaged], "the replica has left since");
        status.replica_mode_map.insert("r".into(), ReplicaMode::ReadWrite);
        assert_eq!(codes(&status, 9, 0), [CauseCode::SnapshotDamaged, CauseCode::PurgeFailed]);
        status.purge_status.insert("r".into(), PurgeStatus { is_purging: true, ..failed });
        assert_eq!(codes(&status, 9, 0), [CauseCode::SnapshotDamaged]);
    }

    #[test]
    fn corruption_of_the_last_replica_is_told() {
        let mut status = status(1);
        let corrupted = ReplicaHash { silently_corrupted: true, ..ReplicaHash::default() };
        let hash = HashProgress { replicas: [("a".into(), corrupted)].into(), ..HashProgress::default() };
        status.hash = Some(hash);
        status.replica_mode_map = [("a".into(), ReplicaMode::ReadWrite), ("b".into(), ReplicaMode::ReadWrite)].into();
        assert_eq!(codes(&status, 9, 0), [], "another one has the data: the corrupted one is rebuilt");
        status.replica_mode_map.remove("b");
        assert_eq!(codes(&status, 9, 0), [CauseCode::SnapshotDamaged]);
    }
}
