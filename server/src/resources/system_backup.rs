//! SystemBackup: a backup of the whole system's configuration.

use aurochs_api::condition::Condition;
pub use aurochs_api::system_backup::{SystemBackupState, VolumeBackupPolicy};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBackup;

impl Kind for SystemBackup {
    const KIND: &'static str = "SystemBackup";
    const PLURAL: &'static str = "systembackups";
    const FINALIZED: bool = true;
    type Spec = SystemBackupSpec;
    type Status = SystemBackupStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemBackupSpec {
    pub volume_backup_policy: VolumeBackupPolicy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}
