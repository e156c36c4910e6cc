//! Engine: the process that serves one volume.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::{BackupStatus, RebuildStatus, RestoreStatus};
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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
    /// A salvage is ordered and not answered yet.
    pub salvage_requested: bool,
    /// How much is copied at the same time while a replica is rebuilt; 0 follows the setting.
    pub rebuild_concurrent_sync_limit: u32,
    /// `vol://…` or `snap://…`: where the content of a clone comes from.
    pub requested_data_source: String,
    pub requested_backup_restore: String,
    pub backup_volume: String,
    /// Replicas of the engine that takes over in a live upgrade.
    pub upgraded_replica_address_map: BTreeMap<String, String>,
    /// Of the v2 data engine, as the one below.
    pub ublk_queue_depth: u32,
    pub ublk_number_of_queue: u32,
    pub log_requested: bool,
    /// Ours: what was ordered.
    pub salvage_order: SalvageOrder,
    /// Ours: how long a replica may let a request wait while another one answers; 0 for the engine's own default.
    pub replica_timeout_seconds: u32,
}

/// A person's decision to go on without what only lost replicas had; see `controllers/volume/salvage.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SalvageOrder {
    /// Counts the decisions; the status repeats the last one that was answered.
    pub number: u64,
    /// Names of the replicas to choose from.
    pub replicas: Vec<String>,
    /// Generation of the control record that the decision is for, filled in before anything is done. A later record
    /// knows of writes that the person did not decide about.
    pub record_generation: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
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
    /// Keyed by replica name.
    pub restore_status: BTreeMap<String, RestoreStatus>,
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
    pub rebuild_concurrent_sync_limit: u32,
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
    /// Limits that the running engine applies.
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    /// The last purge since the engine started, keyed by replica.
    pub purge_status: BTreeMap<String, PurgeStatus>,
    /// This start went on without members, as a person had decided.
    pub salvage_executed: bool,
    /// Ours: what a salvage chose, from what, and why.
    pub salvage: String,
    /// Ours: its last process ended because it found no replica with all data.
    pub no_usable_replica: bool,
    /// Ours: number of the last salvage order that is over, whatever became of it.
    pub salvage_answered: u64,
    /// Ours: the last copy of another volume into this one since the engine started.
    pub clone: Option<CloneProgress>,
    /// Ours: the last restore into the volume since the engine started.
    pub restore: Option<RestoreProgress>,
    /// Ours: the volume, in the backup store, of the backup in `lastRestoredBackup`.
    pub last_restored_volume: String,
    /// Ours: when that backup was complete, as its record had it: names are used again. Empty where nobody knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_restored_created: String,
    /// Ours: a restore of this backup has begun and is not complete; empty for none.
    pub unfinished_restore: String,
    /// Ours: the last hash of a snapshot since the engine started.
    pub hash: Option<HashProgress>,
    /// Ours: what runs that others have to wait for ("a purge", "a rebuild"); empty for nothing.
    pub exclusive_work: String,
    /// Ours: where the device is mounted on its node.
    pub mounted_at: Vec<String>,
    /// Ours: of these, where the file system turned read-only by itself.
    pub turned_read_only: Vec<String>,
    /// Ours: how fast rebuilds may go.
    pub rebuild_pace: RebuildPace,
}

/// A purge on one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PurgeStatus {
    pub is_purging: bool,
    /// Percent; 100 only when it is complete.
    pub progress: u32,
    /// `in_progress`, `complete`, `error`.
    pub state: String,
    /// The replica stays in use all the same.
    pub error: String,
    /// Ours: bytes to copy or look through.
    pub planned_bytes: ByteSize,
    pub done_bytes: ByteSize,
}

/// A copy of another volume's snapshot into an empty volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CloneProgress {
    pub source_volume: String,
    pub source_snapshot: String,
    /// Name of the snapshot here.
    pub snapshot: String,
    /// `in_progress`, `complete`, `error`.
    pub state: String,
    /// Percent.
    pub progress: u32,
    pub planned_bytes: ByteSize,
    pub done_bytes: ByteSize,
    pub bytes_per_second: u64,
    /// Why it failed.
    pub error: String,
    /// Streams that broke and were taken up again, and why the last one did.
    pub attempts_failed: u32,
    pub last_break: String,
}

/// How a restore goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestorePhase {
    #[default]
    Runs,
    Complete,
    Failed,
    Cancelled,
}

/// A backup that is written into the volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreProgress {
    /// In the backup store.
    pub volume: String,
    pub backup: String,
    pub phase: RestorePhase,
    pub planned_bytes: ByteSize,
    /// What was there already included.
    pub done_bytes: ByteSize,
    pub bytes_per_second: u64,
    /// Why it failed.
    pub error: String,
    pub next_step: String,
    /// When the backup was complete; empty until its record is read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// Only the difference to this one is written; empty where all of it is.
    pub previous_backup: String,
    pub started_at: String,
    /// The volume can be used while it runs, and this much has to come yet.
    pub instant: bool,
    pub remote_bytes: ByteSize,
}

/// How far hashing a snapshot on all replicas is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HashProgress {
    pub snapshot: String,
    pub running: bool,
    /// Which sums differ. That alone proves no corruption, see [`ReplicaHash::differs`].
    pub note: String,
    /// Keyed by replica.
    pub replicas: BTreeMap<String, ReplicaHash>,
}

/// A snapshot's hash on one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaHash {
    pub phase: HashPhase,
    /// CRC-64/GO-ISO of the snapshot's file: 16 hex digits.
    pub checksum: String,
    /// Of the file, as in Longhorn's checksum file.
    pub change_time: String,
    pub last_hashed_at: String,
    /// The file was not changed, and still the last hash found another sum than `checksum`.
    pub silently_corrupted: bool,
    /// Most replicas have another sum: a reason to look, and no proof.
    pub differs: bool,
    pub error: String,
    pub done_bytes: ByteSize,
    pub total_bytes: ByteSize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashPhase {
    #[default]
    #[serde(alias = "")]
    NotHashed,
    /// Another hash runs on its node.
    Waiting,
    Hashing,
    Hashed,
    Failed,
}

/// How fast rebuilds go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RebuildPace {
    /// 0: as fast as foreground requests allow.
    pub max_bytes_per_second: u64,
    /// Replicas copied from at the same time; 0: all with all data, up to four.
    pub concurrent_sources: u32,
    /// Part of the full depth that foreground requests leave to a rebuild now.
    pub share_percent: u32,
}

impl super::Object<Engine> {
    /// The salvage that a person ordered and that is not over.
    #[must_use]
    pub fn pending_salvage(&self) -> Option<&SalvageOrder> {
        Some(&self.spec.salvage_order).filter(|order| order.number > self.status.salvage_answered)
    }
}

/// Actual sizes are rounded up to this before they are stored: under load they change with every write, and the
/// store is no place for counters.
pub const ACTUAL_SIZE_STEP: ByteSize = ByteSize(4 << 20);
