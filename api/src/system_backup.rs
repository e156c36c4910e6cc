//! Backups of the whole system's configuration.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;
use crate::size::ByteSize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum SystemBackupState {
    /// Just asked for.
    #[default]
    #[serde(rename = "")]
    New,
    Generating,
    CreatingVolumeBackups,
    CreatingBackingImageBackups,
    Uploading,
    Ready,
    Syncing,
    Error,
    Deleting,
}

/// Which volumes are backed up with the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeBackupPolicy {
    #[default]
    #[serde(alias = "")]
    IfNotPresent,
    Always,
    Disabled,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemBackup {
    #[schema(create, required, unique)]
    pub name: String,
    pub volume_backup_policy: VolumeBackupPolicy,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manager_image: String,
    pub state: SystemBackupState,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Bytes of the volumes' backups that are made for it, and those done; 0 where there are none.
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub planned_bytes: ByteSize,
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub done_bytes: ByteSize,
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of a create.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemBackupCreateInput {
    pub name: String,
    pub volume_backup_policy: String,
}

crate::actions! { SystemBackup {} }
