//! Orphans: data and processes that belong to nothing any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;

/// What was left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanType {
    /// The directory of a replica.
    #[default]
    Replica,
    EngineInstance,
    ReplicaInstance,
    ShardInstance,
    #[serde(rename = "shardgroup-instance")]
    ShardGroupInstance,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Orphan {
    pub name: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub orphan_type: OrphanType,
    /// Of data: `DataName`, `DiskName`, `DiskUUID`, `DiskPath`, `DiskType`. Of a process: `InstanceName`,
    /// `InstanceUUID`, `InstanceManager`.
    pub parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(options("v1", "v2"))]
    pub data_engine: String,
    /// Ours: what it is, and why it can't be removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

crate::actions! { Orphan {} }
