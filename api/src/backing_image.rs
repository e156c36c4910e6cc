//! Backing images: read-only bases of volumes, kept on disks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::NoInput;
use crate::cause::Cause;
use crate::describe::Described;
use crate::schema::Resource;
use crate::size::{ByteSize, as_number};

/// Where a backing image comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceType {
    #[default]
    Download,
    Upload,
    ExportFromVolume,
    Restore,
    Clone,
}

/// State of one copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    Pending,
    Starting,
    ReadyForTransfer,
    Ready,
    InProgress,
    Failed,
    FailedAndCleanup,
    #[default]
    #[serde(alias = "")]
    Unknown,
}

impl FileState {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::ReadyForTransfer => "ready-for-transfer",
            Self::Ready => "ready",
            Self::InProgress => "in-progress",
            Self::Failed => "failed",
            Self::FailedAndCleanup => "failed-and-cleanup",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImage {
    #[schema(create, required, unique)]
    pub name: String,
    pub uuid: String,
    #[schema(create, required)]
    pub source_type: SourceType,
    /// What the source needs: `url` of a download, `volume-name` and `export-type` of an export.
    #[schema(create, required)]
    pub parameters: BTreeMap<String, String>,
    /// SHA-512 that the content must have, in hexadecimal; empty for any.
    #[schema(create)]
    pub expected_checksum: String,
    pub current_checksum: String,
    /// Bytes of the file.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    /// Bytes that a volume sees.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub virtual_size: ByteSize,
    /// Keyed by the disk's UUID.
    pub disk_file_status_map: BTreeMap<String, BackingImageDiskFileStatus>,
    pub min_number_of_copies: u32,
    pub node_selector: Vec<String>,
    pub disk_selector: Vec<String>,
    #[schema(options("v1", "v2"))]
    pub data_engine: String,
    pub secret: String,
    pub secret_namespace: String,
    pub deletion_timestamp: String,
    /// Ours: why it is not as wished.
    pub causes: Vec<Cause>,
}

/// One copy of a backing image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageDiskFileStatus {
    pub state: FileState,
    /// Percent.
    pub progress: u32,
    pub message: String,
    pub last_state_transition_time: String,
    #[schema(options("v1", "v2"))]
    pub data_engine: String,
}

/// Body of a create.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageCreateInput {
    pub name: String,
    pub source_type: String,
    pub parameters: BTreeMap<String, String>,
    pub expected_checksum: String,
    pub min_number_of_copies: u32,
    pub node_selector: Vec<String>,
    pub disk_selector: Vec<String>,
    pub secret: String,
    pub secret_namespace: String,
    pub data_engine: String,
}

/// Body of `backingImageCleanup`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct BackingImageCleanupInput {
    /// UUIDs of the disks whose copies go.
    pub disks: Vec<String>,
}

/// Body of `updateMinNumberOfCopies`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateMinNumberOfCopiesInput {
    pub min_number_of_copies: u32,
}

/// Body of `backupBackingImageCreate`, which Longhorn's schema does not tell.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupBackingImageCreateInput {
    pub backup_target_name: String,
}

crate::actions! { BackingImage {
    /// Removes the copies on these disks.
    BackingImageCleanup = "backingImageCleanup"(BackingImageCleanupInput) -> Resource<BackingImage>;
    /// Takes the content of an image whose source is an upload.
    Upload = "upload"(NoInput) -> ();
    /// Backs the image up.
    BackupBackingImageCreate = "backupBackingImageCreate"(BackupBackingImageCreateInput) -> () { schema_input: Some("") };
    /// Changes how many copies there are at least.
    UpdateMinNumberOfCopies = "updateMinNumberOfCopies"(UpdateMinNumberOfCopiesInput) -> Resource<BackingImage>;
} }
