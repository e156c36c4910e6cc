//! Node: a machine with disks.

use std::collections::BTreeMap;

use aurochs_api::cause::Cause;
use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
pub use aurochs_api::node::DiskType;
use aurochs_api::node::FrontendOffer;
pub use aurochs_api::node::{DiskHealth, EnvironmentItem};
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
/// Condition type of disks: true while the disk fails what is asked of it.
pub const ERROR: &str = "Error";
/// Condition types of nodes.
pub const KERNEL_MODULES_LOADED: &str = "KernelModulesLoaded";
pub const MOUNT_PROPAGATION: &str = "MountPropagation";
pub const MULTIPATHD: &str = "Multipathd";
pub const NFS_CLIENT_INSTALLED: &str = "NFSClientInstalled";
pub const REQUIRED_PACKAGES: &str = "RequiredPackages";

/// Label that says what disks a node without one gets: `true` for the default one, `config` for those of the annotation.
pub const LABEL_CREATE_DEFAULT_DISK: &str = "node.longhorn.io/create-default-disk";
/// Annotation with a JSON list of disks.
pub const ANNOTATION_DEFAULT_DISKS: &str = "node.longhorn.io/default-disks-config";
/// Annotation with a JSON list of tags for a node without any.
pub const ANNOTATION_DEFAULT_TAGS: &str = "node.longhorn.io/default-node-tags";
/// Labels that place a node.
pub const LABEL_REGION: &str = "topology.kubernetes.io/region";
pub const LABEL_ZONE: &str = "topology.kubernetes.io/zone";

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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
    #[schema(wire = "integer")]
    pub storage_reserved: ByteSize,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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
    /// Ours: what the machine has and lacks for serving volumes.
    pub environment: Vec<EnvironmentItem>,
    /// Ours: what keeps the node from being fully usable.
    pub causes: Vec<Cause>,
}

/// Figures are JSON numbers, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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
    #[schema(wire = "integer")]
    pub storage_maximum: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_available: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub storage_scheduled: ByteSize,
    /// Replica name to the bytes it may grow to.
    pub scheduled_replica: BTreeMap<String, u64>,
    pub scheduled_backing_image: BTreeMap<String, u64>,
    /// What the devices below say of their health, by device name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub health_data: BTreeMap<String, DiskHealth>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health_data_last_collected_at: String,
    /// Ours: identity of the file system below, so that disks that share one count only their share.
    pub filesystem_id: String,
    /// Ours: the largest file that the file system takes, and with it the largest volume; 0 for unknown.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub maximum_file_size: ByteSize,
    /// Ours: what keeps replicas from being placed here.
    pub causes: Vec<Cause>,
}
