//! Backups of volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

/// State of a backup of a volume or of a backing image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub enum BackupState {
    /// Just asked for.
    #[default]
    #[serde(rename = "")]
    New,
    Pending,
    InProgress,
    Completed,
    Error,
    Unknown,
    Deleting,
}

/// One backup. Amounts are texts, empty until they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backup {
    pub name: String,
    pub state: BackupState,
    /// Percent.
    pub progress: u32,
    pub error: String,
    pub url: String,
    pub snapshot_name: String,
    pub snapshot_created: String,
    pub created: String,
    pub size: String,
    pub labels: BTreeMap<String, String>,
    pub backup_mode: String,
    pub messages: BTreeMap<String, String>,
    pub volume_name: String,
    pub volume_size: String,
    pub volume_created: String,
    pub volume_backing_image_name: String,
    pub compression_method: String,
    pub block_size: String,
    /// Without "ed", as Longhorn has it.
    pub newly_upload_data_size: String,
    pub re_uploaded_data_size: String,
    pub backup_target_name: String,
    /// Bytes that there are to send, and those that were looked at or sent; 0 where it is not known.
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub planned_bytes: crate::size::ByteSize,
    #[serde(with = "crate::size::as_number")]
    #[schema(wire = "integer")]
    #[schema(ours)]
    pub done_bytes: crate::size::ByteSize,
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of `backupGet` and `backupDelete`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupInput {
    pub name: String,
}

/// Body of `backupVerify`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupVerifyInput {
    pub name: String,
    /// How many blocks are read, chosen by chance; 0 for all.
    pub sample: u64,
}

/// Known to `/v1/schemas` alone: what is sent is a collection.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupListOutput {
    pub data: Vec<Backup>,
}

crate::actions! { Backup {} }
