//! BackingImageManager: keeps the copies of backing images on one disk.

use std::collections::BTreeMap;

use aurochs_api::backing_image::FileState;
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;
use super::engine::InstanceState;

#[derive(Clone, Copy, Debug, Default)]
pub struct BackingImageManager;

impl Kind for BackingImageManager {
    const KIND: &'static str = "BackingImageManager";
    const PLURAL: &'static str = "backingimagemanagers";
    const FINALIZED: bool = true;
    type Spec = BackingImageManagerSpec;
    type Status = BackingImageManagerStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageManagerSpec {
    #[serde(rename = "nodeID")]
    pub node_id: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub disk_path: String,
    pub image: String,
    /// Name of each backing image to its UUID.
    pub backing_images: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageManagerStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub current_state: InstanceState,
    /// Keyed by the backing image's name.
    pub backing_image_file_map: BTreeMap<String, BackingImageFile>,
    pub ip: String,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    pub api_version: u32,
    pub api_min_version: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageFile {
    pub name: String,
    pub uuid: String,
    pub state: FileState,
    /// Percent.
    pub progress: u32,
    pub message: String,
    pub current_checksum: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub virtual_size: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub real_size: ByteSize,
    pub sender_manager_address: String,
    pub sending_reference: u32,
}
