//! Backup: one backup of a volume in a target.

use std::collections::BTreeMap;

pub use aurochs_api::backup::BackupState;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Backup;

impl Kind for Backup {
    const KIND: &'static str = "Backup";
    const PLURAL: &'static str = "backups";
    const FINALIZED: bool = true;
    type Spec = BackupSpec;
    type Status = BackupStatus;
}

/// Label with the target of a backup, until the target itself tells.
pub const LABEL_BACKUP_TARGET: &str = "backup-target";
/// Label with the volume of a backup.
pub const LABEL_BACKUP_VOLUME: &str = "backup-volume";

/// Whether all blocks are sent, or those that changed since the backup before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupMode {
    #[default]
    #[serde(alias = "")]
    Incremental,
    Full,
}

impl BackupMode {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Full => "full",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSpec {
    pub snapshot_name: String,
    pub labels: BTreeMap<String, String>,
    pub backup_mode: BackupMode,
    /// Bytes of a block as text: `2097152` or `16777216`, `-1` when it is not known. Absent for the volume's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backup_block_size: String,
    /// When the target was last asked to be read again; a date or absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync_requested_at: String,
}

/// Amounts are texts, as Longhorn has them; empty until they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: BackupState,
    /// Percent.
    pub progress: u32,
    pub error: String,
    pub url: String,
    pub snapshot_name: String,
    pub snapshot_created_at: String,
    pub backup_created_at: String,
    pub size: String,
    pub newly_upload_data_size: String,
    pub re_uploaded_data_size: String,
    pub labels: BTreeMap<String, String>,
    pub messages: BTreeMap<String, String>,
    pub volume_name: String,
    pub volume_size: String,
    pub volume_created: String,
    pub volume_backing_image_name: String,
    pub compression_method: String,
    pub replica_address: String,
    pub backup_target_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_synced_at: String,
}
