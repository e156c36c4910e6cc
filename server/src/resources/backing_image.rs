//! BackingImage: a read-only base of volumes, kept on several disks.

use std::collections::BTreeMap;

pub use aurochs_api::backing_image::{BackingImageDiskFileStatus, FileState, SourceType};
use aurochs_api::cause::Cause;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::{Kind, Object};

#[derive(Clone, Copy, Debug, Default)]
pub struct BackingImage;

impl Kind for BackingImage {
    const KIND: &'static str = "BackingImage";
    const PLURAL: &'static str = "backingimages";
    const FINALIZED: bool = true;
    type Spec = BackingImageSpec;
    type Status = BackingImageStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageSpec {
    pub source_type: SourceType,
    pub source_parameters: BTreeMap<String, String>,
    /// SHA-512 that the content must have; empty for any.
    pub checksum: String,
    pub data_engine: String,
    pub min_number_of_copies: u32,
    pub node_selector: Vec<String>,
    pub disk_selector: Vec<String>,
    /// Where copies are wanted, by the disk's UUID.
    pub disk_file_spec_map: BTreeMap<String, DiskFileSpec>,
    /// Longhorn's older form of the same; kept, not used.
    pub disks: BTreeMap<String, String>,
    pub secret: String,
    pub secret_namespace: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskFileSpec {
    pub data_engine: String,
    pub eviction_requested: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub uuid: String,
    pub checksum: String,
    /// Keyed by the disk's UUID.
    pub disk_file_status_map: BTreeMap<String, BackingImageDiskFileStatus>,
    /// When a copy was last needed, by the disk's UUID.
    pub disk_last_ref_at_map: BTreeMap<String, String>,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub virtual_size: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub real_size: ByteSize,
    pub v2_first_copy_disk: String,
    pub v2_first_copy_status: String,
    /// Ours: why it is not as wished, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// Where images lie below a disk.
const DIRECTORY: &str = "backing-images";

impl Object<BackingImage> {
    /// What its content has to be: what it was, else what somebody said; empty for anything.
    #[must_use]
    pub fn wished_checksum(&self) -> &str {
        if self.status.checksum.is_empty() { &self.spec.checksum } else { &self.status.checksum }
    }

    /// Whether the disk has all of it.
    #[must_use]
    pub fn is_ready_on(&self, disk_uuid: &str) -> bool {
        self.status.disk_file_status_map.get(disk_uuid).is_some_and(|copy| copy.state == FileState::Ready)
    }

    /// The file on the disk at this path.
    #[must_use]
    pub fn file_on(&self, disk_path: &str) -> String {
        let (disk, name, uuid) = (disk_path.trim_end_matches('/'), self.name(), &self.status.uuid);
        format!("{disk}/{DIRECTORY}/{name}-{uuid}/backing")
    }
}
