//! BackingImageDataSource: brings the first copy of a backing image. Its name is the image's.

use std::collections::BTreeMap;

use aurochs_api::backing_image::{FileState, SourceType};
use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct BackingImageDataSource;

impl Kind for BackingImageDataSource {
    const KIND: &'static str = "BackingImageDataSource";
    const PLURAL: &'static str = "backingimagedatasources";
    const FINALIZED: bool = true;
    type Spec = BackingImageDataSourceSpec;
    type Status = BackingImageDataSourceStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageDataSourceSpec {
    #[serde(rename = "nodeID")]
    pub node_id: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub disk_path: String,
    pub uuid: String,
    pub source_type: SourceType,
    pub parameters: BTreeMap<String, String>,
    pub checksum: String,
    /// The copy was handed over; the source is not needed any more.
    pub file_transferred: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingImageDataSourceStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub current_state: FileState,
    /// Percent.
    pub progress: u32,
    pub message: String,
    pub checksum: String,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    pub running_parameters: BTreeMap<String, String>,
    pub ip: String,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
}
