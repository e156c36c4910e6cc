//! Whether a backup can begin, and what it waits for otherwise.

use aurochs_api::volume::Robustness;

use crate::resources::backup_target::CONDITION_UNAVAILABLE;
use crate::resources::{Backup, BackupTarget, Object, Snapshot, Volume, condition};

/// What stands against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// Another backup of the volume comes first; its time to begin does not run yet.
    After(String),
    /// It could begin but for this.
    Waits {
        why: String,
        next_step: String,
    },
    /// It never can.
    Never {
        why: String,
        next_step: String,
    },
}

/// What is looked at.
pub(super) struct Around<'a> {
    pub backup: &'a Object<Backup>,
    pub volume: Option<&'a Object<Volume>>,
    pub target: Option<&'a Object<BackupTarget>>,
    /// The resource of its snapshot; none while the engine alone knows it.
    pub snapshot: Option<&'a Object<Snapshot>>,
    /// All backups of the volume.
    pub others: &'a [Object<Backup>],
}

pub(super) fn turn(around: &Around<'_>) -> Turn {
    let never = |why: String, next_step: &str| Turn::Never { why, next_step: next_step.to_owned() };
    let waits = |why: String, next_step: &str| Turn::Waits { why, next_step: next_step.to_owned() };
    let backup = around.backup;
    let name = backup.volume();
    let Some(volume) = around.volume.filter(|volume| !volume.is_deleting()) else {
        return never(format!("volume {name} is gone"), "Delete this backup; nothing of it was kept.");
    };
    if let Some(why) = unfit(volume) {
        return never(why, "Back it up when that is over.");
    }
    let Some(target) = around.target.filter(|target| !target.is_deleting()) else {
        let why = format!("backup target {} is gone", backup.target());
        return never(why, "Choose another target for the volume (updateBackupTargetName).");
    };
    let snapshot = &backup.spec.snapshot_name;
    if around.snapshot.is_some_and(|found| found.spec.volume != name) {
        return never(format!("volume {name} has no snapshot {snapshot}"), "Name one of its own snapshots.");
    }
    if let Some(first) = before(backup, around.others) {
        return Turn::After(format!("backup {} of the same volume comes first", first.name()));
    }
    if volume.status.robustness == Robustness::Faulted {
        return waits(format!("volume {name} is faulted"), "Its causes tell how it can be brought back.");
    }
    if !target.status.available {
        let told = condition::find(&target.status.conditions, CONDITION_UNAVAILABLE);
        let why = told.map_or("it was not looked at yet", |told| told.message.as_str()).trim_end_matches('.');
        return waits(
            format!("backup target {} can't be used: {why}", target.name()),
            "Mend the target; the backup then begins by itself.",
        );
    }
    if let Some(taken) = around.snapshot {
        if taken.is_deleting() || taken.status.mark_removed {
            return never(format!("snapshot {snapshot} is deleted"), "Take another one, and back that up.");
        }
        if taken.status.creation_time.is_empty() {
            return waits(format!("snapshot {snapshot} is not taken yet"), "It is taken by itself.");
        }
    }
    Turn::Now
}

/// Nobody's data is in the volume yet, or it is another installation's.
fn unfit(volume: &Object<Volume>) -> Option<String> {
    let name = volume.name();
    if volume.spec.standby || volume.status.is_standby {
        return Some(format!("volume {name} follows a backup: it is one"));
    }
    (!volume.is_restored() || !volume.is_filled()).then(|| format!("volume {name} is being filled"))
}

/// Of the backups of one volume one runs at a time, the oldest wish first: they would read the same disks, and the later one
/// is smaller when the earlier one is there.
fn before<'a>(backup: &Object<Backup>, others: &'a [Object<Backup>]) -> Option<&'a Object<Backup>> {
    let age = |backup: &Object<Backup>| (backup.metadata.creation_timestamp.clone(), backup.name().to_owned());
    let runs = |other: &&Object<Backup>| {
        other.name() != backup.name() && other.is_own() && !other.has_ended() && !other.is_deleting()
    };
    others.iter().filter(runs).find(|other| age(other) < age(backup))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::BackupSpec;
    use crate::resources::snapshot::SnapshotSpec;
    use crate::resources::volume::VolumeSpec;
    use aurochs_api::backup::BackupState;

    fn backup(name: &str, second: u32) -> Object<Backup> {
        let spec = BackupSpec { snapshot_name: "s".into(), ..BackupSpec::default() };
        let mut backup = Object::<Backup>::new(name, spec);
        backup.metadata.creation_timestamp = format!("2026-11-21T10:00:{second:02}Z");
        let labels = [("backup-volume", "v"), ("backup-target", "default")];
        backup.metadata.labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
        backup
    }

    struct World {
        volume: Object<Volume>,
        target: Object<BackupTarget>,
        snapshot: Object<Snapshot>,
        others: Vec<Object<Backup>>,
    }

    fn told(change: impl FnOnce(&mut World)) -> Turn {
        let mut world = World {
            volume: Object::new("v", VolumeSpec::default()),
            target: Object::new("default", Default::default()),
            snapshot: Object::new("s", SnapshotSpec { volume: "v".into(), ..SnapshotSpec::default() }),
            others: vec![backup("b", 5)],
        };
        world.target.status.available = true;
        world.snapshot.status.creation_time = "2026-11-21T10:00:00Z".into();
        change(&mut world);
        turn(&Around {
            backup: &backup("b", 5),
            volume: Some(&world.volume),
            target: Some(&world.target),
            snapshot: Some(&world.snapshot),
            others: &world.others,
        })
    }

    #[test]
    fn what_a_backup_waits_for() {
        assert_eq!(told(|_| {}), Turn::Now);
        assert!(matches!(told(|world| world.others.push(backup("a", 4))), Turn::After(_)));
        assert_eq!(told(|world| world.others.push(backup("c", 6))), Turn::Now, "that one came later");
        let mut ended = backup("a", 4);
        ended.status.state = BackupState::Error;
        assert_eq!(told(|world| world.others.push(ended)), Turn::Now);
        let waits = |turn: Turn, words: &str| match turn {
            Turn::Waits { why, next_step } => assert!(why.contains(words) && !next_step.is_empty(), "{why}"),
            other => panic!("{other:?}"),
        };
        waits(told(|world| world.target.status.available = false), "can't be used");
        waits(told(|world| world.snapshot.status.creation_time.clear()), "not taken yet");
        waits(told(|world| world.volume.status.robustness = Robustness::Faulted), "faulted");
    }

    #[test]
    fn what_never_begins() {
        let never = |turn: Turn, words: &str| match turn {
            Turn::Never { why, next_step } => assert!(why.contains(words) && !next_step.is_empty(), "{why}"),
            other => panic!("{other:?}"),
        };
        never(told(|world| world.volume.metadata.deletion_timestamp = Some("now".into())), "gone");
        never(told(|world| world.volume.spec.standby = true), "follows");
        never(told(|world| world.volume.spec.from_backup = "vfs:///b?backup=b1&volume=v".into()), "filled");
        never(told(|world| world.snapshot.spec.volume = "other".into()), "no snapshot");
        never(told(|world| world.snapshot.status.mark_removed = true), "deleted");
        never(told(|world| world.target.metadata.deletion_timestamp = Some("now".into())), "target default is gone");
    }
}
