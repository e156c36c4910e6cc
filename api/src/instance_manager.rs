//! Instance managers: one per node.

use serde::{Deserialize, Serialize};

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
    /// Names of the running engines.
    #[schema(as = "map[string]")]
    pub instance_engines: std::collections::BTreeMap<String, InstanceProcess>,
    /// Names of the running replicas.
    #[schema(as = "map[string]")]
    pub instance_replicas: std::collections::BTreeMap<String, InstanceProcess>,
}

/// One process of an instance manager.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProcess {
    #[schema(ours)]
    pub state: String,
    #[schema(ours)]
    pub address: String,
    #[schema(ours)]
    pub pid: u32,
    #[schema(ours)]
    pub error: String,
}
