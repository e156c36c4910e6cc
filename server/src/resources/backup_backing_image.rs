//! BackupBackingImage: a backup of a backing image in a target.

use std::collections::BTreeMap;

use aurochs_api::backup::BackupState;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::backup::DELETE_CUSTOM_RESOURCE_ONLY;
use super::{Kind, Object};

#[derive(Clone, Copy, Debug, Default)]
pub struct BackupBackingImage;

impl Kind for BackupBackingImage {
    const KIND: &'static str = "BackupBackingImage";
    const PLURAL: &'static str = "backupbackingimages";
    const FINALIZED: bool = true;
    type Spec = BackupBackingImageSpec;
    type Status = BackupBackingImageStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupBackingImageSpec {
    pub backing_image: String,
    pub backup_target_name: String,
    /// Asked for here, or found in the target.
    pub user_created: bool,
    pub labels: BTreeMap<String, String>,
    /// When the target was last asked to be read again; a date or absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync_requested_at: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupBackingImageStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub backing_image: String,
    pub state: BackupState,
    /// Percent.
    pub progress: u32,
    pub error: String,
    pub url: String,
    pub checksum: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    pub backup_created_at: String,
    pub labels: BTreeMap<String, String>,
    pub messages: BTreeMap<String, String>,
    pub compression_method: String,
    pub manager_address: String,
    pub secret: String,
    pub secret_namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_synced_at: String,
    /// Ours: what tells the record in the store from a changed one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub record_version: String,
    /// Ours: what a person can do about `error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_step: String,
}

impl Object<BackupBackingImage> {
    /// Whether what is in the target stays when this goes.
    #[must_use]
    pub fn is_only_forgotten(&self) -> bool {
        self.metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY)
    }
}
