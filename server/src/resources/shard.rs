//! Shard: one piece of a shard group, on one disk.

use aurochs_api::describe::Described;
pub use aurochs_api::shard::{ShardRole, ShardState};
use aurochs_api::size::ByteSize;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Shard;

impl Kind for Shard {
    const KIND: &'static str = "Shard";
    const PLURAL: &'static str = "shards";
    const FINALIZED: bool = true;
    type Spec = ShardSpec;
    type Status = ShardStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardSpec {
    pub shard_group_name: String,
    pub slot_index: u32,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    #[serde(rename = "diskUUID")]
    pub disk_uuid: String,
    pub disk_path: String,
    pub size: ByteSize,
    pub eviction_requested: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub role: ShardRole,
    pub state: ShardState,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    pub port: u32,
    pub last_failure_timestamp: String,
    /// Percent.
    pub rebuild_progress: u32,
    pub replace_triggered: bool,
}
