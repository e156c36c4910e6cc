//! Shards of the second data engine. This version makes none: the lists are empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;
use crate::size::ByteSize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardGroupState {
    Healthy,
    Degraded,
    Offline,
    Rebuilding,
    Growing,
    #[default]
    #[serde(rename = "")]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardState {
    Normal,
    Failed,
    Replacing,
    #[default]
    #[serde(rename = "")]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardRole {
    Data,
    Parity,
    #[default]
    #[serde(rename = "")]
    Unknown,
}

/// The shards of one volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardGroup {
    pub name: String,
    pub volume_name: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: ShardGroupState,
    pub process_state: String,
    pub data_chunks: u32,
    pub parity_chunks: u32,
    #[serde(rename = "stripSizeKB")]
    pub strip_size_kb: u32,
    pub shard_refs: Vec<String>,
    pub failed_count: u32,
    pub grow_in_progress: bool,
    pub rebuild_in_progress: bool,
    pub scrub_in_progress: bool,
    pub ec_shard_address_map: BTreeMap<String, String>,
    #[serde(rename = "lvstoreUUID")]
    pub lvstore_uuid: String,
    #[serde(rename = "headLvolUUID")]
    pub head_lvol_uuid: String,
    pub nqn: String,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    pub port: u32,
    pub instance_manager_name: String,
}

/// One piece of a shard group, on one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Shard {
    pub name: String,
    pub shard_group_name: String,
    pub slot_index: u32,
    pub role: ShardRole,
    pub state: ShardState,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub disk_path: String,
    pub size: ByteSize,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    pub port: u32,
    pub eviction_requested: bool,
    pub last_failure_timestamp: String,
    /// Percent.
    pub rebuild_progress: u32,
}

crate::actions! { ShardGroup {} }
crate::actions! { Shard {} }
