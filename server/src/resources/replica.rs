//! Replica: one copy of a volume's data on one disk.

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::size::ByteSize;
use serde::{Deserialize, Serialize};

use super::Kind;
use super::engine::InstanceState;

#[derive(Clone, Copy, Debug, Default)]
pub struct Replica;

impl Kind for Replica {
    const KIND: &'static str = "Replica";
    const PLURAL: &'static str = "replicas";
    const FINALIZED: bool = true;
    type Spec = ReplicaSpec;
    type Status = ReplicaStatus;
}

/// A replica that could not be rebuilt this often is given up.
pub const REBUILD_RETRIES_MAXIMUM: u32 = 5;

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSpec {
    pub volume_name: String,
    pub volume_size: ByteSize,
    pub engine_name: String,
    /// Where it is placed; all three are empty until the scheduler found a place.
    #[serde(rename = "nodeID")]
    pub node_id: String,
    /// The disk's UUID.
    #[serde(rename = "diskID")]
    pub disk_id: String,
    pub disk_path: String,
    /// `<volume>-<8 hex>` below `<disk>/replicas/`.
    pub data_directory_name: String,
    pub desire_state: InstanceState,
    pub active: bool,
    pub data_engine: String,
    pub image: String,
    /// When it was found to lack data; empty while it is good (or never held any).
    pub failed_at: String,
    pub last_failed_at: String,
    /// When it first was complete; empty until then and again after a failure.
    pub healthy_at: String,
    pub last_healthy_at: String,
    pub rebuild_retry_count: u32,
    pub hard_node_affinity: String,
    pub eviction_requested: bool,
    pub revision_counter_disabled: bool,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    pub salvage_requested: bool,
    pub backing_image: String,
    /// The replica of the source that a linked clone stands on.
    pub linked_clone_src_replica_name: String,
    /// The engine that takes over in a live migration.
    pub migration_engine_name: String,
    pub unmap_mark_disk_chain_removed_enabled: bool,
    pub log_requested: bool,
}

impl ReplicaSpec {
    /// Whether the scheduler has found a place for it.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        !self.node_id.is_empty() && !self.disk_path.is_empty()
    }

    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.failed_at.is_empty()
    }

    /// Data is expected in its directory: an empty one in its place would be a lie. A replica that is to be rebuilt may
    /// begin anew.
    #[must_use]
    pub fn holds_data(&self) -> bool {
        !self.healthy_at.is_empty() || self.salvage_requested
    }

    /// The replica's directory on its node.
    #[must_use]
    pub fn data_path(&self) -> String {
        format!("{}/replicas/{}", self.disk_path.trim_end_matches('/'), self.data_directory_name)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub current_state: InstanceState,
    pub current_image: String,
    pub instance_manager_name: String,
    pub ip: String,
    pub port: u16,
    pub started: bool,
    pub starting: bool,
    pub conditions: Vec<Condition>,
    pub salvage_executed: bool,
    pub uuid: String,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    /// Of the v2 data engine.
    #[serde(rename = "ublkID")]
    pub ublk_id: u32,
    pub log_fetched: bool,
    /// Ours: address of its data link, empty while it does not run.
    pub address: String,
    /// Ours: why it failed or can't run, in words.
    pub cause: String,
}
