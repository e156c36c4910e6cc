//! Instance manager: starts the processes of one node.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::instance_manager::InstanceProcess;
use serde::{Deserialize, Serialize};

use super::Kind;
use super::engine::InstanceState;

#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceManager;

impl Kind for InstanceManager {
    const KIND: &'static str = "InstanceManager";
    const PLURAL: &'static str = "instancemanagers";
    const FINALIZED: bool = false;
    type Spec = InstanceManagerSpec;
    type Status = InstanceManagerStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceManagerSpec {
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub image: String,
    /// `aio`: engines and replicas.
    #[serde(rename = "type")]
    pub kind: String,
    pub data_engine: String,
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceManagerStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub current_state: InstanceState,
    pub ip: String,
    pub conditions: Vec<Condition>,
    pub instance_engines: BTreeMap<String, InstanceProcess>,
    pub instance_replicas: BTreeMap<String, InstanceProcess>,
    /// Ours: where other machines reach it, `tls:host:port`; empty where they don't. The manager of its machine says it.
    pub address: String,
    /// Ours: process id and version of the manager itself; 0 and empty while it does not answer.
    pub pid: u32,
    pub version: String,
}
