//! Instance managers: one per node.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    pub instance_engines: std::collections::BTreeMap<String, InstanceProcess>,
    /// Names of the running replicas.
    pub instance_replicas: std::collections::BTreeMap<String, InstanceProcess>,
}

/// One process of an instance manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProcess {
    pub state: String,
    pub address: String,
    pub pid: u32,
    pub error: String,
}
