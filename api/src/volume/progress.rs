//! How far work on a volume's replicas is: rebuilding, purging, backing up, restoring.

use serde::{Deserialize, Serialize};

use crate::describe::Described;
use crate::size::ByteSize;

/// Progress of one rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RebuildStatus {
    pub replica: String,
    pub is_rebuilding: bool,
    /// Percent.
    pub progress: u32,
    /// `in_progress`, `complete`, `error`.
    pub state: String,
    pub error: String,
    pub from_replica_list: Vec<String>,
    /// Ours.
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub planned_bytes: ByteSize,
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub done_bytes: ByteSize,
    #[schema(ours)]
    pub bytes_per_second: u64,
}

/// Progress of a purge on one replica: layers that nobody needs are merged away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PurgeStatus {
    pub replica: String,
    pub is_purging: bool,
    /// Percent.
    pub progress: u32,
    /// `in_progress`, `complete`, `error`.
    pub state: String,
    pub error: String,
}

/// Progress of one backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// Name of the backup.
    pub id: String,
    pub snapshot: String,
    pub replica: String,
    #[serde(rename = "backupURL")]
    pub backup_url: String,
    pub size: String,
    /// Percent.
    pub progress: u32,
    pub state: String,
    pub error: String,
}

/// Progress of a restore on one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    pub replica: String,
    pub is_restoring: bool,
    pub last_restored: String,
    #[serde(rename = "backupURL")]
    pub backup_url: String,
    pub filename: String,
    /// Percent.
    pub progress: u32,
    pub state: String,
    pub error: String,
}
