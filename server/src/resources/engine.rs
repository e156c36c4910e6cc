//! Engine: the process that serves one volume.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::{BackupStatus, PurgeStatus, RebuildStatus, RestoreStatus};
use serde::{Deserialize, Serialize};

use super::Kind;
use super::volume::Frontend;

#[derive(Clone, Copy, Debug, Default)]
pub struct Engine;

impl Kind for Engine {
    const KIND: &'static str = "Engine";
    const PLURAL: &'static str = "engines";
    const FINALIZED: bool = true;
    type Spec = EngineSpec;
    type Status = EngineStatus;
}

/// What a process of an instance manager is doing, or should be doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    Running,
    #[default]
    #[serde(alias = "")]
    Stopped,
    Starting,
    Stopping,
    /// It ended by itself or could not be started.
    Error,
    /// Its instance manager does not answer.
    Unknown,
}

impl InstanceState {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineSpec {
    pub volume_name: String,
    pub volume_size: ByteSize,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub desire_state: InstanceState,
    pub frontend: Frontend,
    pub disable_frontend: bool,
    pub active: bool,
    pub data_engine: String,
    pub image: String,
    /// Replica name to address, of the replicas that the engine should have. Members at the start; a name that
    /// is added while the engine runs is rebuilt.
    pub replica_address_map: BTreeMap<String, String>,
    pub revision_counter_disabled: bool,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    pub unmap_mark_snap_chain_removed_enabled: bool,
    /// How much is copied at the same time while a replica is rebuilt; 0 follows the setting.
    pub rebuild_concurrent_sync_limit: u32,
    /// `vol://…` or `snap://…`: where the content of a clone comes from.
    pub requested_data_source: String,
    pub requested_backup_restore: String,
    pub backup_volume: String,
    pub salvage_requested: bool,
    /// Replicas of the engine that takes over in a live upgrade.
    pub upgraded_replica_address_map: BTreeMap<String, String>,
    /// Of the v2 data engine, as the one below.
    pub ublk_queue_depth: u32,
    pub ublk_number_of_queue: u32,
    pub log_requested: bool,
}

/// How far the copying of a clone's content is, as the engine of the clone tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineCloneStatus {
    pub is_cloning: bool,
    pub snapshot_name: String,
    pub from_replica_address: String,
    /// Percent.
    pub progress: u32,
    pub state: String,
    pub error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EngineStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub current_state: InstanceState,
    pub current_size: ByteSize,
    pub current_image: String,
    pub instance_manager_name: String,
    /// Where its gRPC listens; `unix:/path` or `tcp:host:port`.
    pub ip: String,
    pub port: u16,
    /// Device path or NBD address, empty when none is offered.
    pub endpoint: String,
    pub started: bool,
    pub starting: bool,
    pub conditions: Vec<Condition>,
    pub current_replica_address_map: BTreeMap<String, String>,
    /// Replica name to what the engine does with it.
    pub replica_mode_map: BTreeMap<String, ReplicaMode>,
    /// When each replica got its present mode.
    pub replica_transition_time_map: BTreeMap<String, String>,
    /// Keyed by replica name.
    pub rebuild_status: BTreeMap<String, RebuildStatus>,
    /// Keyed by replica name, as those of restores and clones.
    pub purge_status: BTreeMap<String, PurgeStatus>,
    pub restore_status: BTreeMap<String, RestoreStatus>,
    pub clone_status: BTreeMap<String, EngineCloneStatus>,
    /// Keyed by the backup's name.
    pub backup_status: BTreeMap<String, BackupStatus>,
    /// All layers, `volume-head` included.
    pub snapshots: BTreeMap<String, Snapshot>,
    pub snapshots_error: String,
    pub is_expanding: bool,
    pub last_expansion_error: String,
    pub last_expansion_failed_at: String,
    pub last_restored_backup: String,
    pub unmap_mark_snap_chain_removed_enabled: bool,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    pub rebuild_concurrent_sync_limit: u32,
    pub salvage_executed: bool,
    pub uuid: String,
    #[serde(rename = "storageIP")]
    pub storage_ip: String,
    /// Of the v2 data engine.
    #[serde(rename = "ublkID")]
    pub ublk_id: u32,
    pub log_fetched: bool,
    /// Ours: address of the engine's gRPC, empty while it does not run.
    pub address: String,
    /// Ours: the epoch it runs with.
    pub epoch: u64,
    /// Ours: generation of the membership it last told.
    pub generation: u64,
    /// Ours: `fuse-loop`, `nbd` or empty, and why this one.
    pub frontend_in_use: String,
    pub frontend_reason: String,
    /// Ours: NBD address for standard clients.
    pub nbd_uri: String,
    /// Ours: why it does not run or what its I/O waits for; empty when all is well.
    pub cause: String,
    /// Ours: why a replica is in mode `ERR`.
    pub replica_causes: BTreeMap<String, String>,
    /// Ours: bytes on disk of all layers of one replica, rounded up to [`ACTUAL_SIZE_STEP`].
    pub actual_size: ByteSize,
    /// Ours: regions still to be made equal on all replicas after an unclean stop.
    pub reconcile_regions_left: u64,
}

/// Actual sizes are rounded up to this before they are stored: under load they change with every write, and the
/// store is no place for counters.
pub const ACTUAL_SIZE_STEP: ByteSize = ByteSize(4 << 20);
