//! Recurring jobs: what is done to volumes again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::NoInput;
use crate::describe::Described;
use crate::schema::Resource;
use crate::word::Word;

/// What a job does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    #[default]
    Snapshot,
    SnapshotForceCreate,
    SnapshotCleanup,
    SnapshotDelete,
    Backup,
    BackupForceCreate,
    FilesystemTrim,
    SystemBackup,
}

impl Task {
    /// As it is on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::SnapshotForceCreate => "snapshot-force-create",
            Self::SnapshotCleanup => "snapshot-cleanup",
            Self::SnapshotDelete => "snapshot-delete",
            Self::Backup => "backup",
            Self::BackupForceCreate => "backup-force-create",
            Self::FilesystemTrim => "filesystem-trim",
            Self::SystemBackup => "system-backup",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringJob {
    #[schema(create, required, unique)]
    pub name: String,
    pub task: Task,
    /// Five fields, or `@daily` and the like, or `@every 6h`; `CRON_TZ=Europe/Berlin` before them states the clock.
    #[schema(create, required)]
    pub cron: String,
    /// How many of what it makes are kept.
    #[schema(create, required)]
    pub retain: u32,
    /// How many volumes it works on at once.
    #[schema(create, required)]
    pub concurrency: u32,
    /// Groups of volumes it runs for; `default` is those that have no job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable)]
    pub groups: Vec<String>,
    /// Put on what it makes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(nullable)]
    pub labels: BTreeMap<String, String>,
    /// `full-backup-interval` of backups, `volume-backup-policy` of system backups.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(nullable)]
    pub parameters: BTreeMap<String, String>,
    pub execution_count: u64,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    /// Ours: `cron` in words: "every 3 hours, at minute 0".
    pub schedule: String,
    /// Ours: the clock that `cron` is meant on, by its name in the IANA database.
    pub time_zone: String,
    /// Ours: when it runs next, the soonest first; RFC 3339 on that clock.
    #[schema(nullable)]
    pub next_runs: Vec<String>,
    /// Ours: the run that is under way.
    #[schema(nullable)]
    pub run: Option<RecurringRun>,
    /// Ours: the last run that ended.
    #[schema(nullable)]
    pub last_run: Option<RecurringRun>,
}

/// One run of a job. Its log lines are in the history of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringRun {
    pub id: String,
    /// The moment that it was for, RFC 3339 in UTC: a run that was caught up began later.
    pub due: String,
    /// Earlier moments that had no run, because no manager ran or the run before was still at work; 100 for so many and more.
    pub missed: u32,
    /// How often it was begun: again after a manager ended in the middle of it.
    pub attempts: u32,
    pub started_at: String,
    /// Empty while it runs.
    pub ended_at: String,
    /// Who asked for it; empty when its time had come.
    pub started_by: String,
    /// Empty while it runs, else `succeeded`, `failed`, `cancelled`.
    pub outcome: String,
    /// What came of it, in a sentence.
    pub message: String,
}

/// The query of `GET /v1/schedule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronQuestion {
    /// As of a job: `0 2 * * *`, `@every 6h`, `CRON_TZ=Europe/Berlin 0 2 * * *`.
    pub cron: String,
}

/// Answer of `GET /v1/schedule?cron=…`: what a cron would mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronMeaning {
    pub cron: String,
    /// "every 3 hours, at minute 0".
    pub schedule: String,
    pub time_zone: String,
    /// RFC 3339 on that clock.
    pub next_runs: Vec<String>,
}

/// Body of a create. Words and numbers are checked later, so that a message can name what is wrong.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringJobInput {
    pub name: String,
    pub task: Word<Task>,
    pub cron: String,
    pub retain: i64,
    /// 0 for the default.
    pub concurrency: i64,
    pub groups: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
}

/// Body of a change. What is absent stays as it is.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringJobUpdate {
    pub task: Word<Task>,
    pub cron: Option<String>,
    pub retain: Option<i64>,
    pub concurrency: Option<i64>,
    pub groups: Option<Vec<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    pub parameters: Option<BTreeMap<String, String>>,
}

crate::actions! { RecurringJob {
    /// Ours: runs it now, besides its times.
    RecurringJobRun = "recurringJobRun"(NoInput) -> Resource<RecurringJob> { offered: is_idle };
} }

fn is_idle(job: &RecurringJob) -> bool {
    job.run.is_none()
}
