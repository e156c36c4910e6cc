//! Backup: one backup of a volume in a target.

use std::collections::BTreeMap;

pub use aurochs_api::backup::BackupState;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::{Kind, Object};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
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
    /// Ours: what tells the record in the store from a changed one (etag, or time and size).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub record_version: String,
    /// Ours, of a backup that is made here: bytes of the volume to look at, and those done.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    #[serde(skip_serializing_if = "is_zero")]
    pub planned_bytes: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    #[serde(skip_serializing_if = "is_zero")]
    pub done_bytes: ByteSize,
    /// Ours: when its turn came, and the time that it may take to begin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub started_at: String,
    /// Ours: when it ended, well or not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ended_at: String,
    /// Ours: what a person can do about `error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_step: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(size: &ByteSize) -> bool {
    *size == ByteSize::ZERO
}

/// Label, and annotation, of a snapshot or backup that is to be forgotten here while its data stays.
pub const DELETE_CUSTOM_RESOURCE_ONLY: &str = "longhorn.io/delete-custom-resource-only";
/// Annotation: the backup's name in its target, where another backup has it here already.
pub const ANNOTATION_BACKUP: &str = "aurochs.io/backup";
/// Annotation: the user who asked to cancel it.
pub const ANNOTATION_CANCELLED_BY: &str = "aurochs.io/cancelled-by";
/// Label of the volume's access mode, in a backup's own labels.
pub const LABEL_ACCESS_MODE: &str = "longhorn.io/volume-access-mode";
/// Labels of a backup that the manager writes.
pub const LABEL_KUBERNETES_STATUS: &str = "KubernetesStatus";
pub const LABEL_BASE_IMAGE: &str = "ranchervm-base-image";
pub const LABEL_RECURRING_JOBS: &str = "VolumeRecurringJobInfo";

impl Object<Backup> {
    /// Name of the volume in the store.
    #[must_use]
    pub fn volume(&self) -> &str {
        match self.metadata.labels.get(LABEL_BACKUP_VOLUME) {
            Some(volume) => volume,
            None => &self.status.volume_name,
        }
    }

    /// Name of its target.
    #[must_use]
    pub fn target(&self) -> &str {
        match self.metadata.labels.get(LABEL_BACKUP_TARGET) {
            Some(target) => target,
            None => &self.status.backup_target_name,
        }
    }

    /// Its name in the target.
    #[must_use]
    pub fn name_in_target(&self) -> &str {
        self.metadata.annotations.get(ANNOTATION_BACKUP).map_or(self.name(), String::as_str)
    }

    /// Whether this installation makes or made it; one that was found in the target has no snapshot in its wish.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.spec.snapshot_name.is_empty()
    }

    /// Whether what is in the target stays when this goes.
    #[must_use]
    pub fn is_only_forgotten(&self) -> bool {
        let metadata = &self.metadata;
        metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY)
            || metadata.annotations.contains_key(DELETE_CUSTOM_RESOURCE_ONLY)
    }

    /// Whether nothing more comes of it by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status.state, BackupState::Completed | BackupState::Error)
    }
}
