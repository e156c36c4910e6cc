//! SystemBackup: a backup of the whole system's configuration.

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
pub use aurochs_api::system_backup::{SystemBackupState, VolumeBackupPolicy};
use serde::{Deserialize, Serialize};

use super::backup::{ANNOTATION_BACKUP, DELETE_CUSTOM_RESOURCE_ONLY};
use super::{Kind, Object};

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBackup;

impl Kind for SystemBackup {
    const KIND: &'static str = "SystemBackup";
    const PLURAL: &'static str = "systembackups";
    const FINALIZED: bool = true;
    type Spec = SystemBackupSpec;
    type Status = SystemBackupStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemBackupSpec {
    pub volume_backup_policy: VolumeBackupPolicy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemBackupStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: SystemBackupState,
    pub version: String,
    pub git_commit: String,
    pub manager_image: String,
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_synced_at: String,
    /// Ours, of one that is made here: when it began, and when it ended, well or not.
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
    /// Ours: SHA-256 of the zip that is about to be stored. A manager that ends meanwhile knows its own by it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// Ours: of the volumes' backups that are made for it.
    #[serde(with = "as_number", skip_serializing_if = "is_zero")]
    #[schema(wire = "integer")]
    pub planned_bytes: ByteSize,
    #[serde(with = "as_number", skip_serializing_if = "is_zero")]
    #[schema(wire = "integer")]
    pub done_bytes: ByteSize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(size: &ByteSize) -> bool {
    *size == ByteSize::ZERO
}

/// Label: the version of who made it. It is there as soon as the backup is seen in the target.
pub const LABEL_VERSION: &str = "longhorn.io/version";
/// Label: the recurring job that made it.
pub const LABEL_MADE_BY_JOB: &str = "recurring-job.longhorn.io/system-backup";
/// Condition of one that was not made, or can't be read; its message says why.
pub const CONDITION_ERROR: &str = "Error";

impl Object<SystemBackup> {
    /// Its name in the target: another version's of this name may have it here already.
    #[must_use]
    pub fn name_in_target(&self) -> &str {
        self.metadata.annotations.get(ANNOTATION_BACKUP).map_or(self.name(), String::as_str)
    }

    /// Its version in the target; none while it is not there.
    #[must_use]
    pub fn version_in_target(&self) -> Option<&str> {
        self.metadata.labels.get(LABEL_VERSION).map(String::as_str)
    }

    /// Whether nothing more comes of it by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status.state, SystemBackupState::Ready | SystemBackupState::Error)
    }

    /// Whether what is in the target stays when this goes.
    #[must_use]
    pub fn is_only_forgotten(&self) -> bool {
        self.metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY)
    }
}
