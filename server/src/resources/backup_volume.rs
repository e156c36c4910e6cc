//! BackupVolume: all backups of one volume in one target.

use std::collections::BTreeMap;

use aurochs_api::describe::Described;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct BackupVolume;

impl Kind for BackupVolume {
    const KIND: &'static str = "BackupVolume";
    const PLURAL: &'static str = "backupvolumes";
    const FINALIZED: bool = true;
    type Spec = BackupVolumeSpec;
    type Status = BackupVolumeStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupVolumeSpec {
    pub volume_name: String,
    pub backup_target_name: String,
    /// When the target was last asked to be read again; a date or absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync_requested_at: String,
}

/// Amounts are texts, as Longhorn has them; empty until they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupVolumeStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub size: String,
    pub data_stored: String,
    pub labels: BTreeMap<String, String>,
    pub messages: BTreeMap<String, String>,
    pub created_at: String,
    pub last_backup_name: String,
    pub last_backup_at: String,
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    pub storage_class_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_modification_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_synced_at: String,
    /// Ours: what tells the record in the store from a changed one (etag, or time and size).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub record_version: String,
    /// Ours: the `syncRequestedAt` that the last reading answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answered_request: String,
}
