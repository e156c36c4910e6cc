//! Orphan: data or a process that belongs to nothing any more.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
pub use aurochs_api::orphan::OrphanType;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Orphan;

impl Kind for Orphan {
    const KIND: &'static str = "Orphan";
    const PLURAL: &'static str = "orphans";
    const FINALIZED: bool = true;
    type Spec = OrphanSpec;
    type Status = OrphanStatus;
}

/// Parameters of a directory.
pub const PARAMETER_DATA_NAME: &str = "DataName";
pub const PARAMETER_DISK_NAME: &str = "DiskName";
pub const PARAMETER_DISK_UUID: &str = "DiskUUID";
pub const PARAMETER_DISK_PATH: &str = "DiskPath";
pub const PARAMETER_DISK_TYPE: &str = "DiskType";
/// Parameters of a process.
pub const PARAMETER_INSTANCE_NAME: &str = "InstanceName";
pub const PARAMETER_INSTANCE_UUID: &str = "InstanceUUID";
pub const PARAMETER_INSTANCE_MANAGER: &str = "InstanceManager";

/// Never changed once it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OrphanSpec {
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub orphan_type: OrphanType,
    pub data_engine: String,
    pub parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OrphanStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    /// `DataCleanable`, `InstanceExist`, `Error`.
    pub conditions: Vec<Condition>,
}
