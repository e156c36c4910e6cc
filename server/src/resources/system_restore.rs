//! SystemRestore: a restore of the whole system's configuration.

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
pub use aurochs_api::system_restore::SystemRestoreState;
use serde::{Deserialize, Serialize};

use super::{Kind, Object};

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRestore;

impl Kind for SystemRestore {
    const KIND: &'static str = "SystemRestore";
    const PLURAL: &'static str = "systemrestores";
    const FINALIZED: bool = false;
    type Spec = SystemRestoreSpec;
    type Status = SystemRestoreStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestoreSpec {
    /// Name of the system backup.
    pub system_backup: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemRestoreStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: SystemRestoreState,
    #[serde(rename = "sourceURL")]
    pub source_url: String,
    pub conditions: Vec<Condition>,
    /// Ours: when it began, which marks what it brought back; and when it ended, well or not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub started_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ended_at: String,
    /// Ours: what it waits for, without a full stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waits_for: String,
    /// Ours: what a person can do about that, or about its error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_step: String,
    /// Ours: sentences about what was in the backup and was not brought back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Condition of one that failed; its message says why.
pub const CONDITION_ERROR: &str = "Error";
/// Annotations of what a restore brought back, or left as it was: the address of the system backup, and when.
pub const ANNOTATION_RESTORED: &str = "longhorn.io/last-system-restored";
pub const ANNOTATION_RESTORED_AT: &str = "longhorn.io/last-system-restored-at";
/// The backup that a volume is filled from.
pub const ANNOTATION_RESTORED_BACKUP: &str = "longhorn.io/last-system-restored-backup";
pub const ANNOTATION_SKIPPED: &str = "longhorn.io/last-skipped-system-restored";
pub const ANNOTATION_SKIPPED_AT: &str = "longhorn.io/last-skipped-system-restored-at";

impl Object<SystemRestore> {
    /// Whether nothing more comes of it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status.state, SystemRestoreState::Completed | SystemRestoreState::Error)
    }
}
