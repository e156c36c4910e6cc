//! What a recurring job can be (Longhorn's admission, and its corrections of `retain` and `concurrency`).

use std::collections::BTreeMap;

use aurochs_api::describe::Described;
use aurochs_api::ids::NAME_LENGTH_MAXIMUM;
use aurochs_api::recurring_job::{RecurringJobInput, Task};
use aurochs_api::system_backup::VolumeBackupPolicy;

use super::labels;
use crate::error::{ApiError, ErrorKind};
use crate::recurring::plan::Plan;
use crate::resources::recurring_job::RecurringJobSpec;

/// What Longhorn takes for a concurrency of 0.
const CONCURRENCY_DEFAULT: u32 = 10;
/// More groups than anybody names.
const GROUPS_MAXIMUM: usize = 64;
/// Every how many backups one sends all blocks.
const FULL_BACKUP_INTERVAL: &str = "full-backup-interval";
/// Which volumes are backed up with the system.
const VOLUME_BACKUP_POLICY: &str = "volume-backup-policy";

fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

/// The job that the input asks for. `retention_maximum` is the setting `recurring-job-max-retention`.
pub fn job(input: RecurringJobInput, retention_maximum: u64) -> Result<RecurringJobSpec, ApiError> {
    let name = input.name.as_str();
    check_name("recurring job", name)?;
    let task = task(&input)?;
    plan(&format!("the cron of recurring job {name}"), &input.cron)?;
    labels::check(&input.labels)?;
    check_parameters(name, task, &input.parameters)?;
    Ok(RecurringJobSpec {
        task,
        retain: retain(name, task, input.retain, retention_maximum)?,
        concurrency: concurrency(name, input.concurrency)?,
        groups: groups(input.groups)?,
        cron: input.cron.trim().to_owned(),
        labels: input.labels,
        parameters: input.parameters,
        name: input.name,
    })
}

/// The times that a cron says; `what` names it in a refusal.
pub fn plan(what: &str, cron: &str) -> Result<Plan, ApiError> {
    Plan::read(cron).map_err(|error| {
        let next_step =
            "Give five fields such as \"0 2 * * *\", or @daily, or @every 6h; CRON_TZ=Europe/Berlin before it states the clock.";
        invalid(format_args!("{what} can't be used: {error}"), next_step)
    })
}

/// Names of jobs become names of resources and of labels.
fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |c: char| edge(c) || matches!(c, '-' | '.');
    let is_good = name.starts_with(edge) && name.ends_with(edge) && name.chars().all(inner);
    if is_good && name.len() <= NAME_LENGTH_MAXIMUM {
        return Ok(());
    }
    let next_step = format_args!(
        "Use 1 to {NAME_LENGTH_MAXIMUM} lower-case letters, digits, '-' and '.', a letter or digit at both ends."
    );
    Err(invalid(format_args!("{name:?} is no name of a {what}"), next_step))
}

fn task(input: &RecurringJobInput) -> Result<Task, ApiError> {
    let read = input.task.read().map_err(|error| error.to_string());
    let read = read.and_then(|task| task.ok_or_else(|| "it is empty".to_owned()));
    read.map_err(|reason| {
        let message = format_args!("the task of recurring job {} can't be used: {reason}", input.name);
        invalid(message, format_args!("Give one of {}.", Task::OPTIONS.join(", ")))
    })
}

/// Tasks that keep nothing keep 0; a task that makes something keeps what it made, at least once.
fn retain(name: &str, task: Task, wanted: i64, maximum: u64) -> Result<u32, ApiError> {
    let corrected = match task {
        Task::SnapshotCleanup | Task::FilesystemTrim => 0,
        Task::SnapshotDelete => wanted.max(0),
        Task::Snapshot | Task::SnapshotForceCreate | Task::Backup | Task::BackupForceCreate | Task::SystemBackup => {
            wanted.max(1)
        }
    };
    let retain = u32::try_from(corrected).ok().filter(|retain| u64::from(*retain) <= maximum);
    retain.ok_or_else(|| {
        let message = format_args!("recurring job {name} can't retain {wanted}: at most {maximum} are kept");
        invalid(message, "Retain fewer, or raise the setting recurring-job-max-retention.")
    })
}

fn concurrency(name: &str, wanted: i64) -> Result<u32, ApiError> {
    match u32::try_from(wanted) {
        Ok(0) => Ok(CONCURRENCY_DEFAULT),
        Ok(concurrency) => Ok(concurrency),
        Err(_) => {
            let message = format_args!("recurring job {name} can't work on {wanted} volumes at once");
            Err(invalid(message, "Give a concurrency of 1 or more, or 0 for the default."))
        }
    }
}

/// Sorted and without doubles.
fn groups(mut groups: Vec<String>) -> Result<Vec<String>, ApiError> {
    groups.sort();
    groups.dedup();
    if groups.len() > GROUPS_MAXIMUM {
        let message = format_args!("a recurring job can't be in {} groups", groups.len());
        return Err(invalid(message, format_args!("Give at most {GROUPS_MAXIMUM}.")));
    }
    groups.iter().try_for_each(|group| check_name("group of recurring jobs", group))?;
    Ok(groups)
}

fn check_parameters(name: &str, task: Task, parameters: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (key, value) in parameters {
        let wanted = match (task, key.as_str()) {
            (Task::Backup | Task::BackupForceCreate, FULL_BACKUP_INTERVAL) => {
                value.parse::<u32>().err().map(|_| "a number of backups, 0 for never".to_owned())
            }
            (Task::SystemBackup, VOLUME_BACKUP_POLICY) => {
                let is_known = VolumeBackupPolicy::OPTIONS.contains(&value.as_str());
                (!is_known).then(|| format!("one of {}", VolumeBackupPolicy::OPTIONS.join(", ")))
            }
            _ => {
                let message = format_args!("recurring job {name}: the task {} takes no parameter {key:?}", task.word());
                let next_step = format_args!(
                    "Backups take {FULL_BACKUP_INTERVAL}, system backups {VOLUME_BACKUP_POLICY}; leave others out."
                );
                return Err(invalid(message, next_step));
            }
        };
        if let Some(wanted) = wanted {
            let message = format_args!("recurring job {name}: the parameter {key} can't be {value:?}");
            return Err(invalid(message, format_args!("Give {wanted}.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(task: &str) -> RecurringJobInput {
        let (name, cron) = ("nightly".to_owned(), "0 2 * * *".to_owned());
        RecurringJobInput { name, task: task.into(), cron, retain: 7, concurrency: 2, ..RecurringJobInput::default() }
    }

    #[test]
    fn retain_is_corrected_as_longhorn_does() {
        for (task, wanted, kept) in [
            ("snapshot", 7, 7),
            ("snapshot", 0, 1),
            ("snapshot", -3, 1),
            ("snapshot-force-create", 0, 1),
            ("backup", 0, 1),
            ("backup-force-create", -1, 1),
            ("system-backup", 0, 1),
            ("snapshot-delete", -1, 0),
            ("snapshot-delete", 3, 3),
            ("snapshot-cleanup", 7, 0),
            ("filesystem-trim", 7, 0),
        ] {
            let found = job(RecurringJobInput { retain: wanted, ..input(task) }, 100).unwrap();
            assert_eq!((found.task.word(), found.retain), (task, kept), "{task} {wanted}");
        }
        assert!(job(RecurringJobInput { retain: 101, ..input("snapshot") }, 100).unwrap_err().message.contains("100"));
        assert!(job(RecurringJobInput { retain: i64::MAX, ..input("backup") }, u64::MAX).is_err());
    }

    #[test]
    fn concurrency_of_zero_is_the_default() {
        assert_eq!(job(RecurringJobInput { concurrency: 0, ..input("backup") }, 100).unwrap().concurrency, 10);
        assert!(job(RecurringJobInput { concurrency: -1, ..input("backup") }, 100).is_err());
    }

    #[test]
    fn both_dialects_of_cron() {
        for good in ["*/5 * * * *", "0 0 ? * MON-FRI", "@daily", "@every 1h30m", "CRON_TZ=Europe/Berlin 0 3 ? * SAT"] {
            assert!(job(RecurringJobInput { cron: good.to_owned(), ..input("snapshot") }, 100).is_ok(), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "61 * * * *",
            "@sometimes",
            "@every",
            "every night",
            "0 0 31 2 *",
            "@every 5s",
            "TZ=Nowhere @daily",
        ] {
            let refused = job(RecurringJobInput { cron: bad.to_owned(), ..input("snapshot") }, 100).unwrap_err();
            assert!(refused.message.contains("nightly") && !refused.next_step.is_empty(), "{bad}: {}", refused.message);
        }
    }

    #[test]
    fn groups_are_sorted_and_checked() {
        let named = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>();
        let found = job(RecurringJobInput { groups: named(&["b", "default", "b"]), ..input("snapshot") }, 100).unwrap();
        assert_eq!(found.groups, ["b", "default"]);
        assert!(job(RecurringJobInput { groups: named(&["B"]), ..input("snapshot") }, 100).is_err());
    }

    #[test]
    fn parameters_belong_to_their_task() {
        let with = |task: &str, key: &str, value: &str| {
            job(RecurringJobInput { parameters: [(key.to_owned(), value.to_owned())].into(), ..input(task) }, 100)
        };
        assert!(with("backup", "full-backup-interval", "0").is_ok());
        assert!(with("system-backup", "volume-backup-policy", "always").is_ok());
        for (task, key, value) in [
            ("backup", "full-backup-interval", "-1"),
            ("snapshot", "full-backup-interval", "1"),
            ("system-backup", "volume-backup-policy", "sometimes"),
            ("backup", "other", "1"),
        ] {
            assert!(with(task, key, value).is_err(), "{task} {key} {value}");
        }
    }

    #[test]
    fn names_and_tasks() {
        for bad in ["", "A", "a_b", "-a", "a-", "a/b", "ä", &"a".repeat(41)] {
            assert!(job(RecurringJobInput { name: bad.to_owned(), ..input("backup") }, 100).is_err(), "{bad}");
        }
        for bad in ["", "restore"] {
            assert!(job(input(bad), 100).unwrap_err().next_step.contains("filesystem-trim"), "{bad}");
        }
    }
}
