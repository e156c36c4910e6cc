//! Node: a machine with disks.

use std::collections::BTreeMap;

use aurochs_api::cause::Cause;
use aurochs_api::condition::Condition;
pub use aurochs_api::node::DiskType;
use aurochs_api::node::FrontendOffer;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Node;

impl Kind for Node {
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";
    const FINALIZED: bool = true;
    type Spec = NodeSpec;
    type Status = NodeStatus;
}

/// Condition types of nodes and disks.
pub const READY: &str = "Ready";
pub const SCHEDULABLE: &str = "Schedulable";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    pub name: String,
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
    pub tags: Vec<String>,
    /// Keyed by disk name.
    pub disks: BTreeMap<String, DiskSpec>,
    #[serde(rename = "instanceManagerCPURequest")]
    pub instance_manager_cpu_request: u32,
    /// Ours: about to be taken out of service. In Kubernetes the node itself says so.
    pub cordoned: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskSpec {
    #[serde(rename = "diskType")]
    pub kind: DiskType,
    pub disk_driver: String,
    pub path: String,
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
    /// Kept for others. A JSON number.
    #[serde(with = "as_number")]
    pub storage_reserved: ByteSize,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    pub conditions: Vec<Condition>,
    /// Keyed by disk name, like the spec's disks.
    pub disk_status: BTreeMap<String, DiskStatus>,
    pub region: String,
    pub zone: String,
    pub auto_evicting: bool,
    /// Ours: the ways a volume can be offered on this node, and why not the others.
    pub frontends: Vec<FrontendOffer>,
    /// Ours: what keeps the node from being fully usable.
    pub causes: Vec<Cause>,
}

/// Figures are JSON numbers, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskStatus {
    pub conditions: Vec<Condition>,
    pub disk_name: String,
    pub disk_path: String,
    #[serde(rename = "diskType")]
    pub kind: DiskType,
    pub disk_driver: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub filesystem_type: String,
    pub instance_manager_name: String,
    #[serde(with = "as_number")]
    pub storage_maximum: ByteSize,
    #[serde(with = "as_number")]
    pub storage_available: ByteSize,
    #[serde(with = "as_number")]
    pub storage_scheduled: ByteSize,
    /// Replica name to the bytes it may grow to.
    pub scheduled_replica: BTreeMap<String, u64>,
    pub scheduled_backing_image: BTreeMap<String, u64>,
    /// Ours: identity of the file system below, so that disks that share one count only their share.
    pub filesystem_id: String,
    /// Ours: what keeps replicas from being placed here.
    pub causes: Vec<Cause>,
}
