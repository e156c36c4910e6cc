//! Recurring jobs: what is done to volumes again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;
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
    /// Five fields, or `@daily` and the like, or `@every 6h`.
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

crate::actions! { RecurringJob {} }
