//! RecurringJob: what is done to volumes again and again.

use std::collections::BTreeMap;

pub use aurochs_api::recurring_job::Task;
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecurringJobStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub execution_count: u64,
}
