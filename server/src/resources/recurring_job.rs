//! RecurringJob: what is done to volumes again and again.

use std::collections::BTreeMap;

use aurochs_api::describe::Described;
pub use aurochs_api::recurring_job::{RecurringRun, Task};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct RecurringJob;

impl Kind for RecurringJob {
    const KIND: &'static str = "RecurringJob";
    const PLURAL: &'static str = "recurringjobs";
    const FINALIZED: bool = false;
    type Spec = RecurringJobSpec;
    type Status = RecurringJobStatus;
}

/// The group of volumes that have no job and no other group.
pub const GROUP_DEFAULT: &str = "default";

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct RecurringJobSpec {
    pub name: String,
    pub task: Task,
    pub cron: String,
    pub retain: u32,
    pub concurrency: u32,
    pub groups: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringJobStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub execution_count: u64,
    /// Ours: the cron that is followed, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
    /// Ours: the last moment of the cron that got its run; RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_due: String,
    /// Ours: the run that is wanted or under way. A manager that starts goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RecurringRun>,
    /// Ours: the last one that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RecurringRun>,
}

/// Moments before `since` are none of the cron's: who changes it means the times to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Followed {
    pub cron: String,
    /// RFC 3339.
    pub since: String,
}

/// Label of a snapshot or backup: the job that made it.
pub const LABEL_MADE_BY: &str = "RecurringJob";
/// Annotation of a snapshot: id of the run that it was taken for.
pub const ANNOTATION_RUN: &str = "aurochs.io/recurring-run";
