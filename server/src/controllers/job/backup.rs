//! Backups that are made here, and those that are removed from their target, whole volumes of them too.

use std::collections::BTreeSet;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use futures::StreamExt;
use futures::stream::select;

use super::cancel::Way;
use super::keys;
use super::teller::Teller;
use super::work::{Chance, Course, Work};
use crate::controllers::Context;
use crate::jobs::{JobKind, Level, Outcome, StartedBy};
use crate::resources::backup::{ANNOTATION_CANCELLED_BY, BackupState, DELETE_CUSTOM_RESOURCE_ONLY};
use crate::resources::recurring_job::LABEL_MADE_BY;
use crate::resources::{Backup, BackupVolume, Object};
use crate::store::WatchEvent;

const NO_CANCEL_OF_DELETIONS: &str = "A backup that is half removed can't be used. Let it end.";
const FORGOTTEN: &str = "The backup target was taken away or got another address.";

enum Touched {
    Backup(Box<WatchEvent<Backup>>),
    Volume(Box<WatchEvent<BackupVolume>>),
}

/// Until the store ends.
pub(super) async fn follow(context: Context) {
    let backups = context.store.watch::<Backup>().into_stream().map(|event| Touched::Backup(Box::new(event)));
    let volumes = context.store.watch::<BackupVolume>().into_stream().map(|event| Touched::Volume(Box::new(event)));
    let mut touched = std::pin::pin!(select(backups, volumes));
    let mut teller = Teller::new(&context);
    while let Some(touched) = touched.next().await {
        match touched {
            Touched::Backup(event) => {
                let prefix = format!("backup/{}/", event.object().name());
                match *event {
                    WatchEvent::Applied(backup) => teller.tell(&prefix, works(&backup), FORGOTTEN),
                    WatchEvent::Deleted(backup) => {
                        teller.tell(&prefix, ended(removal(&backup), is_forgotten(&backup)), FORGOTTEN);
                        teller.forget(&prefix, FORGOTTEN);
                    }
                }
            }
            Touched::Volume(event) => {
                let prefix = format!("backup-volume/{}/", event.object().name());
                match *event {
                    WatchEvent::Applied(volume) if volume.is_deleting() => {
                        let is_over = volume.metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY);
                        let removal = removal_of_all(&volume);
                        teller.tell(&prefix, if is_over { Vec::new() } else { vec![removal] }, FORGOTTEN);
                    }
                    WatchEvent::Applied(_) => teller.tell(&prefix, Vec::new(), FORGOTTEN),
                    WatchEvent::Deleted(volume) => {
                        // Forgotten is how its resource goes, whether or not its data was removed before.
                        let is_over = context.jobs.running_keys(&prefix).is_empty();
                        teller.tell(&prefix, ended(removal_of_all(&volume), is_over), FORGOTTEN);
                        teller.forget(&prefix, FORGOTTEN);
                    }
                }
            }
        }
    }
}

fn is_forgotten(backup: &Object<Backup>) -> bool {
    backup.is_only_forgotten() || !backup.is_deleting()
}

/// The same work with its end, unless it was none.
fn ended(work: Work, is_none: bool) -> Vec<Work> {
    if is_none { Vec::new() } else { vec![work.succeeded()] }
}

fn works(backup: &Object<Backup>) -> Vec<Work> {
    if backup.is_deleting() {
        return if backup.is_only_forgotten() { Vec::new() } else { vec![removal(backup)] };
    }
    if backup.is_own() { vec![making(backup)] } else { Vec::new() }
}

fn making(backup: &Object<Backup>) -> Work {
    let (name, status) = (backup.name(), &backup.status);
    let over = |outcome| Course::Ended { outcome, marks: BTreeSet::from([status.ended_at.clone()]) };
    let course = match status.state {
        BackupState::New | BackupState::Pending | BackupState::Unknown => Course::Runs("waiting"),
        BackupState::InProgress if status.planned_bytes.bytes() == 0 => Course::Runs("looking for changes"),
        BackupState::InProgress => Course::Runs("sending"),
        BackupState::Completed | BackupState::Deleting => over(Outcome::Succeeded),
        BackupState::Error => over(failed(backup)),
    };
    let is_waiting = matches!(status.state, BackupState::New | BackupState::Pending);
    let note = (Level::Info, format!("It waits: {}.", status.error));
    Work {
        key: keys::backup(name),
        kind: JobKind::Backup,
        object: name.to_owned(),
        volume: Some(backup.volume().to_owned()),
        node: None,
        started_by: match backup.spec.labels.get(LABEL_MADE_BY) {
            Some(job) => StartedBy::RecurringJob(job.clone()),
            None => StartedBy::System("A backup was asked for.".to_owned()),
        },
        cancel: Chance::Possible(Way::Backup { backup: name.to_owned() }),
        course,
        planned_bytes: Some(status.planned_bytes.bytes()).filter(|bytes| *bytes > 0),
        done_bytes: status.done_bytes.bytes(),
        notes: if is_waiting && !status.error.is_empty() { vec![note] } else { Vec::new() },
    }
}

fn failed(backup: &Object<Backup>) -> Outcome {
    if let Some(by) = backup.metadata.annotations.get(ANNOTATION_CANCELLED_BY) {
        return Outcome::Cancelled(by.clone());
    }
    let status = &backup.status;
    let message = format!("Backup {} of {} was not made: {}.", backup.name(), backup.volume(), status.error);
    let cause = Cause::new(CauseCode::BackupFailed, Severity::Error, message, &status.next_step);
    Outcome::Failed(cause.about([backup.volume(), backup.name(), backup.target()]).into())
}

fn removal(backup: &Object<Backup>) -> Work {
    let (name, error) = (backup.name(), &backup.status.error);
    let is_stuck = backup.status.state == BackupState::Deleting && !error.is_empty();
    Work {
        key: keys::backup_deletion(name),
        kind: JobKind::BackupDeletion,
        object: name.to_owned(),
        volume: Some(backup.volume().to_owned()),
        node: None,
        started_by: StartedBy::System("Its deletion was asked for.".to_owned()),
        cancel: Chance::Impossible(NO_CANCEL_OF_DELETIONS),
        course: Course::Runs(if is_stuck { "waiting for the next attempt" } else { "removing" }),
        planned_bytes: None,
        done_bytes: 0,
        notes: if is_stuck { vec![(Level::Warning, format!("{error}."))] } else { Vec::new() },
    }
}

fn removal_of_all(volume: &Object<BackupVolume>) -> Work {
    let error = volume.status.messages.get("error");
    Work {
        key: keys::backup_volume_deletion(volume.name()),
        kind: JobKind::BackupDeletion,
        object: volume.name().to_owned(),
        volume: Some(volume.spec.volume_name.clone()),
        node: None,
        started_by: StartedBy::System("The deletion of all backups of the volume was asked for.".to_owned()),
        cancel: Chance::Impossible(NO_CANCEL_OF_DELETIONS),
        course: Course::Runs("removing"),
        planned_bytes: None,
        done_bytes: 0,
        notes: error.map(|error| (Level::Warning, format!("{error}."))).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::BackupSpec;
    use aurochs_api::size::ByteSize;

    fn backup(state: BackupState, change: impl FnOnce(&mut Object<Backup>)) -> Object<Backup> {
        let spec = BackupSpec { snapshot_name: "s".into(), ..BackupSpec::default() };
        let mut backup = Object::<Backup>::new("b", spec);
        backup.status.state = state;
        change(&mut backup);
        backup
    }

    fn one(backup: &Object<Backup>) -> Work {
        let mut works = works(backup);
        assert_eq!(works.len(), 1);
        works.remove(0)
    }

    #[test]
    fn a_backup_is_one_job_from_its_wish_to_its_end() {
        use BackupState::{Completed, Error, InProgress, New, Pending};
        assert_eq!(one(&backup(New, |_| {})).course, Course::Runs("waiting"));
        let waits = one(&backup(Pending, |backup| backup.status.error = "the target can't be used".into()));
        assert!(waits.notes[0].1.contains("can't be used"));
        let sends = one(&backup(InProgress, |backup| {
            (backup.status.planned_bytes, backup.status.done_bytes) = (ByteSize(8), ByteSize(2));
        }));
        assert_eq!((&sends.course, sends.planned_bytes, sends.done_bytes), (&Course::Runs("sending"), Some(8), 2));
        let over = |backup| match one(&backup).course {
            Course::Ended { outcome, .. } => outcome,
            Course::Runs(phase) => panic!("{phase}"),
        };
        assert_eq!(over(backup(Completed, |_| {})), Outcome::Succeeded);
        let Outcome::Failed(failure) = over(backup(Error, |backup| backup.status.error = "full".into())) else {
            panic!()
        };
        assert_eq!(failure.cause.unwrap().code, CauseCode::BackupFailed);
        let cancelled = backup(Error, |backup| {
            backup.metadata.annotations.insert(ANNOTATION_CANCELLED_BY.into(), "ann".into());
        });
        assert_eq!(over(cancelled), Outcome::Cancelled("ann".into()));
    }

    #[test]
    fn what_is_found_or_forgotten_is_no_work() {
        let found = backup(BackupState::Completed, |backup| backup.spec.snapshot_name.clear());
        assert_eq!(works(&found), []);
        let going = |backup: &mut Object<Backup>| backup.metadata.deletion_timestamp = Some("now".into());
        assert_eq!(one(&backup(BackupState::Completed, going)).kind, JobKind::BackupDeletion);
        let forgotten = backup(BackupState::Completed, |backup| {
            going(backup);
            backup.metadata.labels.insert(DELETE_CUSTOM_RESOURCE_ONLY.into(), "true".into());
        });
        assert_eq!(works(&forgotten), []);
    }
}
