//! Instance managers: one per node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceManager {
    pub name: String,
    /// `running`, `starting`, `error`, `stopped`, `unknown`.
    pub current_state: String,
    pub image: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub manager_type: String,
    pub data_engine: String,
    /// Always null, as Longhorn answers it: `instanceEngines` and `instanceReplicas` have them.
    #[schema(as = "map[string]")]
    pub instances: Option<BTreeMap<String, InstanceProcess>>,
    /// Engines by name.
    #[schema(as = "map[string]")]
    pub instance_engines: BTreeMap<String, InstanceProcess>,
    /// Frontends of the second data engine; always empty.
    #[schema(as = "map[string]")]
    pub instance_engine_frontends: BTreeMap<String, InstanceProcess>,
    /// Replicas by name.
    #[schema(as = "map[string]")]
    pub instance_replicas: BTreeMap<String, InstanceProcess>,
    /// Ours: why it is not running as it should.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// One process of an instance manager.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProcess {
    #[schema(as = "v1beta2.InstanceProcessSpec")]
    pub spec: InstanceProcessSpec,
    #[schema(as = "v1beta2.InstanceProcessStatus")]
    pub status: InstanceProcessStatus,
    #[schema(ours)]
    pub state: String,
    #[schema(ours)]
    pub address: String,
    #[schema(ours)]
    pub pid: u32,
    #[schema(ours)]
    pub error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProcessSpec {
    pub name: String,
    pub data_engine: String,
}

/// As Longhorn's resources have it; what has no meaning here is empty.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProcessStatus {
    pub active_path: String,
    pub conditions: BTreeMap<String, bool>,
    pub endpoint: String,
    pub error_msg: String,
    pub frontend: String,
    /// Address of the process.
    pub listen: String,
    pub port_end: u32,
    pub port_start: u32,
    pub preferred_path: String,
    pub resource_version: u64,
    /// `running`, `starting`, `stopping`, `stopped`, `error`, `unknown`.
    pub state: String,
    pub target_port_end: u32,
    pub target_port_start: u32,
    /// `engine` or `replica`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "ublkID")]
    pub ublk_id: u32,
    /// The process's id: tells it from a later one of its name.
    pub uuid: String,
}

crate::actions! { InstanceManager {} }
