//! Which snapshots are beyond what a job keeps.

use std::collections::BTreeMap;

use aurochs_api::recurring_job::Task;

use crate::controllers::snapshot::layer_name;
use crate::controllers::volume::clone::LABEL_FOR;
use crate::resources::recurring_job::LABEL_MADE_BY;
use crate::resources::{Object, Snapshot};

/// Whether the job made it.
#[must_use]
pub fn is_own(snapshot: &Object<Snapshot>, job: &str) -> bool {
    let says = |labels: &BTreeMap<String, String>| labels.get(LABEL_MADE_BY).is_some_and(|maker| maker == job);
    says(&snapshot.spec.labels) || says(&snapshot.status.labels)
}

/// Names of those of a volume's snapshots that the job gives up, the oldest first. `snapshot-delete` counts everybody's,
/// the tasks that take snapshots count their own.
///
/// Invariants: the newest `retain` that can be used stay; nobody else's is given up but by `snapshot-delete`; what is taken
/// for a copy in the making is never given up, and neither is one that is not taken yet.
#[must_use]
pub fn beyond<'a>(known: &'a [Object<Snapshot>], task: Task, job: &str, retain: u32) -> Vec<&'a str> {
    let counts = |snapshot: &&Object<Snapshot>| match task {
        Task::SnapshotDelete => !snapshot.status.labels.contains_key(LABEL_FOR),
        Task::Snapshot | Task::SnapshotForceCreate | Task::Backup | Task::BackupForceCreate => is_own(snapshot, job),
        Task::SnapshotCleanup | Task::FilesystemTrim | Task::SystemBackup => false,
    };
    let stays = |snapshot: &&Object<Snapshot>| {
        let status = &snapshot.status;
        !snapshot.is_deleting() && !status.mark_removed && !status.creation_time.is_empty()
    };
    let depths = Depths::of(known);
    let mut found: Vec<_> = known.iter().filter(stays).filter(counts).collect();
    // The newest first. Of the same second, the one above the other.
    found.sort_by_key(|snapshot| {
        std::cmp::Reverse((&snapshot.status.creation_time, depths.get(snapshot), snapshot.name()))
    });
    let mut usable = 0;
    let is_beyond = |snapshot: &&Object<Snapshot>| {
        let is_full = usable >= retain;
        // One that is lost takes nobody's place.
        usable += u32::from(snapshot.status.ready_to_use);
        is_full
    };
    let mut beyond: Vec<&str> = found.into_iter().filter(is_beyond).map(Object::name).collect();
    beyond.reverse();
    beyond
}

/// How many layers lie below each snapshot.
struct Depths<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Depths<'a> {
    fn of(known: &'a [Object<Snapshot>]) -> Self {
        Self(known.iter().map(|snapshot| (layer_name(snapshot), snapshot.status.parent.as_str())).collect())
    }

    fn get(&self, snapshot: &Object<Snapshot>) -> usize {
        let parents = std::iter::successors(Some(layer_name(snapshot)), |layer| self.0.get(layer).copied());
        // What was stored of a lost engine may be a ring.
        parents.take(self.0.len() + 1).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::snapshot::SnapshotSpec;

    fn snapshot(name: &str, parent: &str, second: u32, maker: &str) -> Object<Snapshot> {
        let mut snapshot = Object::<Snapshot>::new(name, SnapshotSpec::default());
        if !maker.is_empty() {
            snapshot.spec.labels.insert(LABEL_MADE_BY.into(), maker.into());
        }
        snapshot.status.parent = parent.into();
        snapshot.status.creation_time = format!("2026-11-21T10:00:{second:02}Z");
        snapshot.status.ready_to_use = true;
        snapshot
    }

    /// behaviour.md §8, rows of the tasks: what each counts, and what it gives up.
    #[test]
    fn retain_by_task() {
        let chain = [
            snapshot("a", "", 1, "job"),
            snapshot("mine", "a", 2, ""),
            snapshot("b", "mine", 3, "job"),
            snapshot("other", "b", 4, "another"),
            snapshot("c", "other", 5, "job"),
        ];
        for (task, retain, expected) in [
            (Task::Snapshot, 3, vec![]),
            (Task::Snapshot, 2, vec!["a"]),
            (Task::SnapshotForceCreate, 1, vec!["a", "b"]),
            (Task::SnapshotDelete, 2, vec!["a", "mine", "b"]),
            (Task::SnapshotDelete, 0, vec!["a", "mine", "b", "other", "c"]),
            (Task::SnapshotCleanup, 0, vec![]),
            (Task::FilesystemTrim, 0, vec![]),
        ] {
            assert_eq!(beyond(&chain, task, "job", retain), expected, "{task:?} {retain}");
        }
    }

    #[test]
    fn what_is_gone_or_lost_takes_nobodys_place() {
        let mut all = [
            snapshot("a", "", 1, "job"),
            snapshot("b", "a", 2, "job"),
            snapshot("lost", "b", 3, "job"),
            snapshot("removed", "b", 4, "job"),
            snapshot("going", "b", 5, "job"),
            snapshot("waits", "", 6, "job"),
            snapshot("copied", "b", 7, ""),
        ];
        all[2].status.ready_to_use = false;
        all[3].status.mark_removed = true;
        all[4].metadata.deletion_timestamp = Some("2026-11-21T11:00:00Z".into());
        all[5].status.creation_time.clear();
        all[6].status.labels.insert(LABEL_FOR.into(), "copy".into());
        assert_eq!(beyond(&all, Task::Snapshot, "job", 2), Vec::<&str>::new());
        assert_eq!(beyond(&all, Task::Snapshot, "job", 1), ["a"]);
        assert_eq!(beyond(&all, Task::SnapshotDelete, "job", 0), ["a", "b", "lost"]);
    }

    #[test]
    fn of_the_same_second_the_upper_one_is_newer() {
        let chain = [snapshot("z", "", 1, "job"), snapshot("y", "z", 1, "job"), snapshot("x", "y", 1, "job")];
        assert_eq!(beyond(&chain, Task::Snapshot, "job", 1), ["z", "y"]);
        let ring = [snapshot("z", "y", 1, "job"), snapshot("y", "z", 1, "job")];
        assert_eq!(beyond(&ring, Task::Snapshot, "job", 1).len(), 1);
    }
}
