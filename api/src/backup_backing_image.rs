//! Backups of backing images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backup::BackupState;
use crate::describe::Described;
use crate::size::{ByteSize, as_number};

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupBackingImage {
    pub name: String,
    pub backing_image_name: String,
    pub backup_target_name: String,
    pub state: BackupState,
    /// Percent.
    pub progress: u32,
    pub error: String,
    pub url: String,
    pub created: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    pub labels: BTreeMap<String, String>,
    pub messages: BTreeMap<String, String>,
    pub compression_method: String,
    pub secret: String,
    pub secret_namespace: String,
}

/// Body of `backupBackingImageRestore`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageRestoreInput {
    pub secret: String,
    pub secret_namespace: String,
    pub data_engine: String,
}

crate::actions! { BackupBackingImage {
    /// Makes a backing image of the backup.
    BackupBackingImageRestore = "backupBackingImageRestore"(BackingImageRestoreInput) -> ();
} }
