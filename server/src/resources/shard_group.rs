//! ShardGroup: the shards of one volume.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
pub use aurochs_api::shard::ShardGroupState;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;
use super::engine::InstanceState;

#[derive(Clone, Copy, Debug, Default)]
pub struct ShardGroup;

impl Kind for ShardGroup {
    const KIND: &'static str = "ShardGroup";
    const PLURAL: &'static str = "shardgroups";
    const FINALIZED: bool = true;
    type Spec = ShardGroupSpec;
    type Status = ShardGroupStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardGroupSpec {
    pub volume_name: String,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub data_chunks: u32,
    pub parity_chunks: u32,
    #[serde(rename = "stripSizeKB")]
    pub strip_size_kb: u32,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub creation_size: ByteSize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardGroupStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: ShardGroupState,
    pub process_state: InstanceState,
    pub conditions: Vec<Condition>,
    pub shard_refs: Vec<String>,
    pub failed_count: u32,
    pub grow_in_progress: bool,
    pub rebuild_in_progress: bool,
    pub scrub_in_progress: bool,
    pub evicting_slots: Vec<u32>,
    pub intentional_delete_slots: Vec<u32>,
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
    pub wib_dirty_region: u32,
}
