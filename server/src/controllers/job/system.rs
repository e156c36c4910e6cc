//! Backups of the system that are made here or removed, and restores of it.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::select;

use super::keys;
use super::teller::Teller;
use super::work::{Chance, Course, Work};
use crate::controllers::Context;
use crate::jobs::{Failure, JobKind, Level, Outcome, StartedBy};
use crate::resources::system_backup::{LABEL_MADE_BY_JOB, SystemBackupState};
use crate::resources::system_restore::SystemRestoreState;
use crate::resources::{Object, SystemBackup, SystemRestore, condition};
use crate::store::WatchEvent;

const NO_CANCEL_OF_BACKUPS: &str =
    "Delete the system backup: what is made of it goes. Backups of volumes that it began go on.";
const NO_CANCEL_OF_DELETIONS: &str = "A system backup that is half removed can't be used. Let it end.";
const NO_CANCEL_OF_RESTORES: &str = "A system that is half restored is neither the old nor the new one. Let it end.";
const FORGOTTEN: &str = "It was deleted, or the backup target was taken away or got another address.";

enum Touched {
    Backup(Box<WatchEvent<SystemBackup>>),
    Restore(Box<WatchEvent<SystemRestore>>),
}

/// Until the store ends.
pub(super) async fn follow(context: Context) {
    let backups = context.store.watch::<SystemBackup>().into_stream().map(|event| Touched::Backup(Box::new(event)));
    let restores = context.store.watch::<SystemRestore>().into_stream().map(|event| Touched::Restore(Box::new(event)));
    let mut touched = std::pin::pin!(select(backups, restores));
    let mut teller = Teller::new(&context);
    while let Some(touched) = touched.next().await {
        match touched {
            Touched::Backup(event) => {
                let prefix = format!("system-backup/{}/", event.object().name());
                match *event {
                    WatchEvent::Applied(backup) => teller.tell(&prefix, works(&backup), FORGOTTEN),
                    WatchEvent::Deleted(backup) => {
                        let is_over = backup.is_only_forgotten() || !backup.is_deleting();
                        teller.tell(
                            &prefix,
                            if is_over { Vec::new() } else { vec![removal(&backup).succeeded()] },
                            FORGOTTEN,
                        );
                        teller.forget(&prefix, FORGOTTEN);
                    }
                }
            }
            Touched::Restore(event) => {
                let prefix = format!("system-restore/{}/", event.object().name());
                match *event {
                    WatchEvent::Applied(restore) => teller.tell(&prefix, vec![restoring(&restore)], FORGOTTEN),
                    WatchEvent::Deleted(_) => teller.forget(&prefix, FORGOTTEN),
                }
            }
        }
    }
}

fn works(backup: &Object<SystemBackup>) -> Vec<Work> {
    if backup.is_deleting() {
        return if backup.is_only_forgotten() { Vec::new() } else { vec![removal(backup)] };
    }
    // What was found in the target was made by somebody else.
    let is_own = !backup.status.started_at.is_empty() || backup.version_in_target().is_none();
    if is_own { vec![making(backup)] } else { Vec::new() }
}

fn making(backup: &Object<SystemBackup>) -> Work {
    let (name, status) = (backup.name(), &backup.status);
    let over = |outcome| Course::Ended { outcome, marks: BTreeSet::from([status.ended_at.clone()]) };
    let course = match status.state {
        SystemBackupState::New | SystemBackupState::Syncing => Course::Runs("waiting"),
        SystemBackupState::CreatingVolumeBackups => Course::Runs("backing volumes up"),
        SystemBackupState::CreatingBackingImageBackups => Course::Runs("backing images up"),
        SystemBackupState::Generating => Course::Runs("collecting resources"),
        SystemBackupState::Uploading => Course::Runs("sending"),
        SystemBackupState::Ready | SystemBackupState::Deleting => over(Outcome::Succeeded),
        SystemBackupState::Error => over(failed(
            &condition::find(&status.conditions, "Error").map(|told| told.message.clone()).unwrap_or_default(),
            &status.next_step,
        )),
    };
    Work {
        key: keys::system_backup(name),
        kind: JobKind::SystemBackup,
        object: name.to_owned(),
        volume: None,
        node: None,
        started_by: match backup.metadata.labels.get(LABEL_MADE_BY_JOB) {
            Some(job) => StartedBy::RecurringJob(job.clone()),
            None => StartedBy::System("A system backup was asked for.".to_owned()),
        },
        cancel: Chance::Impossible(NO_CANCEL_OF_BACKUPS),
        course,
        planned_bytes: Some(status.planned_bytes.bytes()).filter(|bytes| *bytes > 0),
        done_bytes: status.done_bytes.bytes(),
        notes: waits(&status.waits_for),
    }
}

fn failed(why: &str, next_step: &str) -> Outcome {
    Outcome::Failed(Failure::new(format!("{}.", why.trim_end_matches('.')), next_step))
}

fn waits(why: &str) -> Vec<(Level, String)> {
    if why.is_empty() { Vec::new() } else { vec![(Level::Info, format!("{why}."))] }
}

fn removal(backup: &Object<SystemBackup>) -> Work {
    let (name, status) = (backup.name(), &backup.status);
    let is_stuck = status.state == SystemBackupState::Deleting && !status.waits_for.is_empty();
    Work {
        key: keys::system_backup_deletion(name),
        kind: JobKind::BackupDeletion,
        object: name.to_owned(),
        volume: None,
        node: None,
        started_by: StartedBy::System("Its deletion was asked for.".to_owned()),
        cancel: Chance::Impossible(NO_CANCEL_OF_DELETIONS),
        course: Course::Runs(if is_stuck { "waiting for the next attempt" } else { "removing" }),
        planned_bytes: None,
        done_bytes: 0,
        notes: if is_stuck { vec![(Level::Warning, format!("{}.", status.waits_for))] } else { Vec::new() },
    }
}

fn restoring(restore: &Object<SystemRestore>) -> Work {
    let (name, status) = (restore.name(), &restore.status);
    let over = |outcome| Course::Ended { outcome, marks: BTreeSet::from([status.ended_at.clone()]) };
    let course = match status.state {
        SystemRestoreState::New | SystemRestoreState::Pending | SystemRestoreState::Unknown => Course::Runs("waiting"),
        SystemRestoreState::Initializing | SystemRestoreState::Downloading => Course::Runs("fetching"),
        SystemRestoreState::Unpacking => Course::Runs("unpacking"),
        SystemRestoreState::Restoring | SystemRestoreState::InProgress => Course::Runs("bringing back"),
        SystemRestoreState::Completed | SystemRestoreState::Deleting => over(Outcome::Succeeded),
        SystemRestoreState::Error => over(failed(
            &condition::find(&status.conditions, "Error").map(|told| told.message.clone()).unwrap_or_default(),
            &status.next_step,
        )),
    };
    let left_out = status.left_out.iter().map(|told| (Level::Warning, format!("Left out: {told}.")));
    Work {
        key: keys::system_restore(name),
        kind: JobKind::SystemRestore,
        object: name.to_owned(),
        volume: None,
        node: None,
        started_by: StartedBy::System("A system restore was asked for.".to_owned()),
        cancel: Chance::Impossible(NO_CANCEL_OF_RESTORES),
        course,
        planned_bytes: None,
        done_bytes: 0,
        notes: waits(&status.waits_for).into_iter().chain(left_out).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::DELETE_CUSTOM_RESOURCE_ONLY;
    use crate::resources::system_backup::{LABEL_VERSION, SystemBackupSpec};

    #[test]
    fn what_is_made_here_is_work_and_what_is_found_is_not() {
        let mut backup = Object::<SystemBackup>::new("b", SystemBackupSpec::default());
        assert_eq!(works(&backup)[0].course, Course::Runs("waiting"));
        backup.metadata.labels.insert(LABEL_VERSION.into(), "1".into());
        assert_eq!(works(&backup), []);
        backup.status.started_at = "2026-11-22T10:00:00Z".into();
        backup.status.state = SystemBackupState::Error;
        let Course::Ended { outcome: Outcome::Failed(failure), .. } = works(&backup).remove(0).course else { panic!() };
        assert_eq!(failure.message, ".");
        backup.metadata.deletion_timestamp = Some("now".into());
        assert_eq!(works(&backup)[0].kind, JobKind::BackupDeletion);
        backup.metadata.labels.insert(DELETE_CUSTOM_RESOURCE_ONLY.into(), "true".into());
        assert_eq!(works(&backup), []);
    }
}
