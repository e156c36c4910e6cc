//! Backing the system up within a run: the one task that is about no volume.
//!
//! Invariant: **a run makes at most one system backup**, however often it is begun: it names the run from its first moment
//! on, and who comes again finds it. What is given up is given up only after the new one is complete, and is the job's own.

use std::time::Duration;

use aurochs_api::system_backup::VolumeBackupPolicy;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoWord, StrDeserializer};
use uuid::Uuid;

use super::history::Entry;
use super::run::Ended;
use crate::controllers::{Context, system_backup};
use crate::jobs::Level;
use crate::resources::recurring_job::{ANNOTATION_RUN, RecurringJobSpec, RecurringRun};
use crate::resources::system_backup::{CONDITION_ERROR, LABEL_MADE_BY_JOB, SystemBackupSpec, SystemBackupState};
use crate::resources::{Object, RecurringJob, SystemBackup, condition};
use crate::store::StoreError;

const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Parameter of a job: which volumes are backed up with the system.
const VOLUME_BACKUP_POLICY: &str = "volume-backup-policy";
/// As many characters of `<job>-c` begin its name.
const NAME_BEGINNING_LENGTH: usize = 8;
const NEXT_STEP: &str = "It runs again at its next time.";

/// Does all of it. Cut off anywhere, it can be begun again.
pub(super) async fn execute(context: &Context, job: &Object<RecurringJob>, run: &RecurringRun, entry: &Entry) -> Ended {
    match make(context, job, run, entry).await {
        Ok(ended) => ended,
        Err(error) => Ended::Failed { message: format!("the store failed: {error}"), next_step: NEXT_STEP.to_owned() },
    }
}

async fn make(
    context: &Context,
    job: &Object<RecurringJob>,
    run: &RecurringRun,
    entry: &Entry,
) -> Result<Ended, StoreError> {
    let known = own(context, job.name()).await?;
    let name = match known.iter().find(|backup| is_of_run(backup, &run.id)) {
        Some(backup) => backup.name().to_owned(),
        None => match system_backup::obstacle(&context.store).await? {
            Some(why) => return Ok(failed(why, "Give the backup target named default an address that can be used.")),
            None => ask(context, job, run).await?,
        },
    };
    entry.log(Level::Info, format!("system backup {name} is being made"));
    let made = loop {
        let found = context.store.find::<SystemBackup>(&name).await?.filter(|backup| !backup.is_deleting());
        match found {
            None => return Ok(failed(format!("system backup {name} was deleted before it was complete"), NEXT_STEP)),
            Some(backup) if backup.has_ended() => break backup,
            // It gives up by itself, after a day.
            Some(_) => tokio::time::sleep(LOOK_PERIOD).await,
        }
    };
    if made.status.state == SystemBackupState::Error {
        let told = condition::find(&made.status.conditions, CONDITION_ERROR);
        let why = told.map_or("", |told| told.message.as_str());
        return Ok(failed(format!("system backup {name} was not made: {why}"), &made.status.next_step));
    }
    let known = own(context, job.name()).await?;
    for surplus in beyond(&known, job.spec.retain) {
        match context.store.delete::<SystemBackup>(&surplus).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => entry.log(Level::Info, format!("gives up {surplus}, beyond the newest {}", job.spec.retain)),
        }
    }
    Ok(Ended::Succeeded(format!("system backup {name} is complete")))
}

fn failed(message: String, next_step: &str) -> Ended {
    Ended::Failed { message, next_step: next_step.to_owned() }
}

/// The job's own, whatever has become of them.
async fn own(context: &Context, job: &str) -> Result<Vec<Object<SystemBackup>>, StoreError> {
    context.store.list_labelled::<SystemBackup>(LABEL_MADE_BY_JOB, job).await
}

fn is_of_run(backup: &Object<SystemBackup>, run: &str) -> bool {
    !backup.is_deleting() && backup.metadata.annotations.get(ANNOTATION_RUN).is_some_and(|of| of == run)
}

async fn ask(context: &Context, job: &Object<RecurringJob>, run: &RecurringRun) -> Result<String, StoreError> {
    let name = name(job.name());
    let mut wish = Object::<SystemBackup>::new(&name, SystemBackupSpec { volume_backup_policy: policy(&job.spec) });
    wish.metadata.labels.insert(LABEL_MADE_BY_JOB.to_owned(), job.name().to_owned());
    wish.metadata.annotations.insert(ANNOTATION_RUN.to_owned(), run.id.clone());
    context.store.create(&wish).await?;
    Ok(name)
}

fn name(job: &str) -> String {
    let beginning: String = format!("{job}-c").chars().take(NAME_BEGINNING_LENGTH).collect();
    format!("{beginning}-{}", Uuid::new_v4())
}

/// What is no policy was refused when the job was made.
fn policy(spec: &RecurringJobSpec) -> VolumeBackupPolicy {
    let word = spec.parameters.get(VOLUME_BACKUP_POLICY).map_or("", |word| word.trim());
    let read: StrDeserializer<'_, NoWord> = word.into_deserializer();
    VolumeBackupPolicy::deserialize(read).unwrap_or_default()
}

/// Names of those beyond the newest `retain` complete ones, the oldest first. One that failed takes nobody's place, and is
/// kept for people to read until as many newer ones are complete.
fn beyond(known: &[Object<SystemBackup>], retain: u32) -> Vec<String> {
    let mut own: Vec<&Object<SystemBackup>> = known.iter().filter(|backup| !backup.is_deleting()).collect();
    own.sort_by_key(|backup| (backup.metadata.creation_timestamp.clone(), backup.name().to_owned()));
    let is_complete = |backup: &&&Object<SystemBackup>| backup.status.state == SystemBackupState::Ready;
    let surplus = own.iter().filter(is_complete).count().saturating_sub(usize::try_from(retain.max(1)).unwrap_or(1));
    let Some(last) = own.iter().filter(is_complete).take(surplus).last() else { return Vec::new() };
    let up_to = own.iter().position(|backup| backup.name() == last.name()).unwrap_or_default();
    own.iter().take(up_to + 1).filter(|backup| backup.has_ended()).map(|backup| backup.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(name: &str, second: u32, state: SystemBackupState) -> Object<SystemBackup> {
        let mut backup = Object::<SystemBackup>::new(name, SystemBackupSpec::default());
        backup.metadata.creation_timestamp = format!("2026-11-22T10:00:{second:02}Z");
        backup.status.state = state;
        backup
    }

    #[test]
    fn the_newest_complete_ones_stay() {
        use SystemBackupState::{Error, Ready, Uploading};
        let all = [
            backup("c", 3, Ready),
            backup("a", 1, Ready),
            backup("failed-early", 0, Error),
            backup("b", 2, Ready),
            backup("failed", 9, Error),
            backup("runs", 0, Uploading),
        ];
        assert_eq!(beyond(&all, 3), Vec::<String>::new());
        assert_eq!(beyond(&all, 2), ["failed-early", "a"]);
        assert_eq!(beyond(&all, 0), ["failed-early", "a", "b"], "one stays at least");
        assert_eq!(beyond(&[], 1), Vec::<String>::new());
    }

    /// behaviour.md §8, rows "system backup name" and "parameters".
    #[test]
    fn names_and_policies() {
        for (job, beginning) in [("kube-snap", "kube-sna-"), ("db", "db-c-")] {
            let name = name(job);
            assert!(Uuid::parse_str(name.strip_prefix(beginning).unwrap()).is_ok(), "{name}");
        }
        let of = |policy: &str| RecurringJobSpec {
            parameters: [(VOLUME_BACKUP_POLICY.to_owned(), policy.to_owned())].into(),
            ..RecurringJobSpec::default()
        };
        assert_eq!(policy(&of("always")), VolumeBackupPolicy::Always);
        assert_eq!(policy(&RecurringJobSpec::default()), VolumeBackupPolicy::IfNotPresent);
    }
}
