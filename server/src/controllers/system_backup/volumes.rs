//! The backups of the volumes that a system backup makes first.
//!
//! Invariant: **a system backup makes at most one backup of a volume**, however often managers end in the middle: its name
//! follows from both, and who comes again finds it.

use std::collections::BTreeMap;

use aurochs_api::size::ByteSize;
use sha2::{Digest, Sha256};

use crate::controllers::{Context, Error};
use crate::resources::backup::{BackupMode, BackupState, LABEL_BACKUP_VOLUME};
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::system_backup::VolumeBackupPolicy;
use crate::resources::{Backup, BackupTarget, LABEL_VOLUME, Object, Snapshot, SystemBackup, Volume};
use crate::routes::volume::snapshot_backup;
use crate::store::StoreError;

/// Backups that are under way for one system backup: each takes of the same disks and the same line.
const AT_ONCE: usize = 5;
/// How many of those that are waited for are named.
const NAMED_MAXIMUM: usize = 3;

/// How far they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    /// For what.
    Waits(String),
    Failed {
        why: String,
        next_step: String,
    },
}

/// Bytes of those that are made for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) planned: ByteSize,
    pub(super) done: ByteSize,
}

/// What a volume's backup for this system backup is called: as Longhorn calls them, and always the same.
fn name(backup: &Object<SystemBackup>, volume: &str) -> String {
    let digest = Sha256::digest(format!("{}/{volume}", backup.metadata.uid));
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("system-backup-{digits}")
}

/// Goes one step on with all of them.
pub(super) async fn step(context: &Context, backup: &Object<SystemBackup>) -> Result<(Step, Amounts), Error> {
    let (mut amounts, policy) = (Amounts::default(), backup.spec.volume_backup_policy);
    if policy == VolumeBackupPolicy::Disabled {
        return Ok((Step::Done, amounts));
    }
    let (mut waits, mut running) = (Vec::new(), 0);
    for volume in context.store.list_shared::<Volume>().await? {
        // A standby volume is a backup itself.
        if volume.is_deleting() || volume.spec.standby || volume.status.is_standby {
            continue;
        }
        let own = name(backup, volume.name());
        if let Some(made) = context.store.find::<Backup>(&own).await? {
            amounts.add(&made);
            match made.status.state {
                BackupState::Completed => {}
                BackupState::Error => return Ok((failed(&volume, &made), amounts)),
                _ => {
                    running += 1;
                    waits.push(format!("the backup of {}", volume.name()));
                }
            }
            continue;
        }
        if !volume.is_filled() || !volume.is_restored() {
            waits.push(format!("{}, which is being filled", volume.name()));
            continue;
        }
        if policy == VolumeBackupPolicy::IfNotPresent && has_backup(context, &volume).await? {
            continue;
        }
        if running >= AT_ONCE {
            waits.push(format!("the turn of {}", volume.name()));
            continue;
        }
        running += 1;
        if let Some(failed) = begin(context, &volume, &own).await? {
            return Ok((failed, amounts));
        }
        waits.push(format!("the backup of {}", volume.name()));
    }
    Ok((if waits.is_empty() { Step::Done } else { Step::Waits(told(&waits)) }, amounts))
}

impl Amounts {
    fn add(&mut self, made: &Object<Backup>) {
        self.planned = self.planned.saturating_add(made.status.planned_bytes);
        self.done = self.done.saturating_add(made.status.done_bytes);
    }
}

fn told(waits: &[String]) -> String {
    let named = waits.iter().take(NAMED_MAXIMUM).cloned().collect::<Vec<_>>().join("; ");
    match waits.len().checked_sub(NAMED_MAXIMUM).filter(|more| *more > 0) {
        Some(more) => format!("it waits for {named}; and {more} more"),
        None => format!("it waits for {named}"),
    }
}

fn failed(volume: &Object<Volume>, made: &Object<Backup>) -> Step {
    let why = format!("volume {} could not be backed up: {}", volume.name(), made.status.error);
    let next_step = match made.status.next_step.as_str() {
        "" => "Mend what it says, then make another system backup.".to_owned(),
        next_step => next_step.to_owned(),
    };
    Step::Failed { why, next_step }
}

/// Takes the snapshot, and asks for its backup once it is taken. Answers with what makes it impossible.
async fn begin(context: &Context, volume: &Object<Volume>, name: &str) -> Result<Option<Step>, Error> {
    let store = &context.store;
    let target = store.find::<BackupTarget>(&volume.spec.backup_target_name).await?;
    if target.is_none_or(|target| target.is_deleting() || target.spec.backup_target_url.is_empty()) {
        let target = &volume.spec.backup_target_name;
        let why = format!("volume {} can't be backed up: its backup target {target} has no address", volume.name());
        let next_step = "Give the target an address, choose another one for the volume, or take the policy disabled.";
        return Ok(Some(Step::Failed { why, next_step: next_step.to_owned() }));
    }
    let Some(snapshot) = store.find::<Snapshot>(name).await? else {
        let spec = SnapshotSpec { volume: volume.name().to_owned(), create_snapshot: true, labels: BTreeMap::new() };
        let snapshot = Object::<Snapshot>::new(name, spec).owned_by_volume(volume);
        return made(store.create(&snapshot).await);
    };
    if !snapshot.status.creation_time.is_empty() && !snapshot.status.error.is_empty() {
        let why = format!("the snapshot of volume {} can't be used: {}", volume.name(), snapshot.status.error);
        let next_step = "Mend what it says, then make another system backup.".to_owned();
        return Ok(Some(Step::Failed { why, next_step }));
    }
    if !snapshot.status.ready_to_use {
        return Ok(None);
    }
    let wish = snapshot_backup::new(store, volume, name, BackupMode::Incremental, BTreeMap::new()).await;
    let mut wish = wish.map_err(|error| Error::Other(error.message))?;
    name.clone_into(&mut wish.metadata.name);
    made(store.create(&wish).await)
}

fn made<T>(created: Result<T, StoreError>) -> Result<Option<Step>, Error> {
    match created {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// behaviour.md §14: there is a last backup, and no snapshot with data in it is newer than its own.
async fn has_backup(context: &Context, volume: &Object<Volume>) -> Result<bool, Error> {
    let last = &volume.status.last_backup;
    if last.is_empty() {
        return Ok(false);
    }
    let backups = context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, volume.name()).await?;
    let is_it = |backup: &Object<Backup>| {
        backup.name_in_target() == last && backup.target() == volume.spec.backup_target_name && !backup.is_deleting()
    };
    // Without its resource nobody knows what it was made from.
    let Some(last) = backups.into_iter().find(is_it) else { return Ok(false) };
    let snapshots = context.store.list_labelled::<Snapshot>(LABEL_VOLUME, volume.name()).await?;
    Ok(!has_news(&snapshots, &last))
}

/// Whether somebody took a snapshot with something in it since.
fn has_news(snapshots: &[Object<Snapshot>], last: &Object<Backup>) -> bool {
    let own = snapshots.iter().find(|snapshot| snapshot.name() == last.status.snapshot_name);
    // Where it is gone, the backup was begun after it was taken.
    let since = own.map_or(last.status.snapshot_created_at.as_str(), |own| own.status.creation_time.as_str());
    snapshots.iter().any(|snapshot| {
        let status = &snapshot.status;
        let is_other = snapshot.name() != last.status.snapshot_name && !snapshot.is_deleting() && !status.mark_removed;
        is_other && status.size > ByteSize::ZERO && status.creation_time.as_str() > since
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::BackupSpec;
    use crate::resources::system_backup::SystemBackupSpec;

    fn snapshot(name: &str, at: &str, size: u64) -> Object<Snapshot> {
        let mut snapshot = Object::<Snapshot>::new(name, SnapshotSpec::default());
        (snapshot.status.creation_time, snapshot.status.size) = (at.to_owned(), ByteSize(size));
        snapshot
    }

    #[test]
    fn what_was_written_since_the_last_backup() {
        let mut last = Object::<Backup>::new("b", BackupSpec::default());
        last.status.snapshot_name = "own".into();
        last.status.snapshot_created_at = "2026-11-22T10:00:05Z".into();
        let own = || snapshot("own", "2026-11-22T10:00:00Z", 7);
        for (name, snapshots, expected) in [
            ("nothing else", vec![own()], false),
            ("an older one", vec![own(), snapshot("a", "2026-11-22T09:00:00Z", 7)], false),
            ("a newer empty one", vec![own(), snapshot("a", "2026-11-22T11:00:00Z", 0)], false),
            ("a newer one", vec![own(), snapshot("a", "2026-11-22T11:00:00Z", 7)], true),
            ("its own is gone", vec![snapshot("a", "2026-11-22T11:00:00Z", 7)], true),
            ("its own is gone, an older one", vec![snapshot("a", "2026-11-22T10:00:04Z", 7)], false),
        ] {
            assert_eq!(has_news(&snapshots, &last), expected, "{name}");
        }
    }

    #[test]
    fn names_are_the_same_each_time_and_nobody_elses() {
        let mut backup = Object::<SystemBackup>::new("nightly", SystemBackupSpec::default());
        backup.metadata.uid = "uid-1".into();
        let first = name(&backup, "data");
        assert!(first.starts_with("system-backup-") && first.len() == 30, "{first}");
        assert_eq!(name(&backup, "data"), first);
        assert_ne!(name(&backup, "data2"), first);
        backup.metadata.uid = "uid-2".into();
        assert_ne!(name(&backup, "data"), first);
    }

    #[test]
    fn what_is_waited_for_is_told_in_short() {
        let all: Vec<String> = (1..=5).map(|number| format!("the backup of v{number}")).collect();
        assert_eq!(told(&all[..1]), "it waits for the backup of v1");
        assert!(told(&all).ends_with("the backup of v3; and 2 more"), "{}", told(&all));
    }
}
