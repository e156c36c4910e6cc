//! Volume: what a user wants stored, and how it is.

use aurochs_api::cause::Cause;
use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use aurochs_api::size::ByteSize;
pub use aurochs_api::volume::{
    AccessMode, BackupCompression, CloneMode, CloneState, CloneStatus, DataLayout, DataLocality, Frontend,
    KubernetesStatus, Override, ReplicaAutoBalance, Robustness, SnapshotDataIntegrity, VolumeState,
};
use serde::{Deserialize, Serialize};

use super::{Kind, Object};

#[derive(Clone, Copy, Debug, Default)]
pub struct Volume;

impl Kind for Volume {
    const KIND: &'static str = "Volume";
    const PLURAL: &'static str = "volumes";
    const FINALIZED: bool = true;
    type Spec = VolumeSpec;
    type Status = VolumeStatus;
}

/// Condition: all replicas have a place.
pub const CONDITION_SCHEDULED: &str = "Scheduled";
pub const REASON_SCHEDULING_FAILURE: &str = "ReplicaSchedulingFailure";
/// The replica that data locality wants on one node has no place there.
pub const REASON_LOCAL_SCHEDULING_FAILURE: &str = "LocalReplicaSchedulingFailure";
/// Condition: its data is being fetched from a backup.
pub const CONDITION_RESTORE: &str = "Restore";
/// Condition: it has more snapshots than the setting warns of.
pub const CONDITION_TOO_MANY_SNAPSHOTS: &str = "TooManySnapshots";
/// Condition: its replicas are being rebuilt while it is detached.
pub const CONDITION_OFFLINE_REBUILDING: &str = "OfflineRebuilding";
pub const REASON_OFFLINE_REBUILDING: &str = "OfflineRebuildingInProgress";
/// Condition: the image that it stands on is not there yet.
pub const CONDITION_WAIT_FOR_BACKING_IMAGE: &str = "WaitForBackingImage";
pub const REASON_WAITING_FOR_BACKING_IMAGE: &str = "Waiting";
/// Conditions that clients find on every volume, whether somebody has spoken of them or not.
pub const CONDITIONS: [&str; 5] = [
    CONDITION_SCHEDULED,
    CONDITION_RESTORE,
    CONDITION_TOO_MANY_SNAPSHOTS,
    CONDITION_OFFLINE_REBUILDING,
    CONDITION_WAIT_FOR_BACKING_IMAGE,
];

/// Jobs and groups that a volume takes part in are labels on it: this and the name, with [`LABEL_ENABLED`].
pub const LABEL_RECURRING_JOB: &str = "recurring-job.longhorn.io/";
pub const LABEL_RECURRING_JOB_GROUP: &str = "recurring-job-group.longhorn.io/";
pub const LABEL_ENABLED: &str = "enabled";
/// Label that ties a volume to the target of its backups.
pub const LABEL_BACKUP_TARGET: &str = "backup-target";

#[derive(Clone, Debug, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeSpec {
    pub size: ByteSize,
    pub frontend: Frontend,
    pub number_of_replicas: u32,
    /// Node the volume should be attached to; empty for detached. Written by the attachment controller only.
    #[serde(rename = "nodeID")]
    pub node_id: String,
    /// Maintenance: the engine runs without a device. Written by the attachment controller only.
    pub disable_frontend: bool,
    pub data_locality: DataLocality,
    pub access_mode: AccessMode,
    pub data_engine: String,
    /// Of the v2 data engine, as all below it.
    pub data_layout: DataLayout,
    #[serde(rename = "engineNodeID")]
    pub engine_node_id: String,
    pub ublk_queue_depth: u32,
    pub ublk_number_of_queue: u32,
    pub nvme_tcp_nr_io_queues: u32,
    pub image: String,
    /// Minutes after which a failed replica's data is given up.
    pub stale_replica_timeout: u32,
    pub revision_counter_disabled: bool,
    pub disk_selector: Vec<String>,
    pub node_selector: Vec<String>,
    pub replica_soft_anti_affinity: Override,
    pub replica_zone_soft_anti_affinity: Override,
    pub replica_disk_soft_anti_affinity: Override,
    pub replica_auto_balance: ReplicaAutoBalance,
    /// How much is copied at the same time while a replica is rebuilt, 1 to 5; 0 follows the setting.
    pub rebuild_concurrent_sync_limit: u32,
    /// Megabytes a second; 0 follows the setting. A JSON number.
    pub replica_rebuilding_bandwidth_limit: u64,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    pub snapshot_data_integrity: SnapshotDataIntegrity,
    /// When somebody last asked for the snapshots to be hashed.
    pub snapshot_hashing_requested_at: String,
    pub backup_compression_method: BackupCompression,
    pub backup_target_name: String,
    pub backup_block_size: ByteSize,
    pub unmap_mark_snap_chain_removed: Override,
    pub freeze_filesystem_for_snapshot: Override,
    pub offline_rebuilding: Override,
    pub restore_volume_recurring_job: Override,
    pub encrypted: bool,
    pub migratable: bool,
    #[serde(rename = "Standby")]
    pub standby: bool,
    pub from_backup: String,
    /// Ours: it can be attached before its data is there.
    pub instant_restore: bool,
    pub data_source: String,
    pub clone_mode: CloneMode,
    pub backing_image: String,
    pub last_attached_by: String,
    #[serde(rename = "migrationNodeID")]
    pub migration_node_id: String,
}

impl Object<Volume> {
    /// Whether its own data is there: it is a copy of nothing, or the copy has been made. Until then it stays empty, as it
    /// was made; the engine fills no other.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        let is_there =
            matches!(self.status.clone_status.state, CloneState::Completed | CloneState::CopyCompletedAwaitingHealthy);
        self.spec.data_source.is_empty() || is_there
    }
}

impl Object<Volume> {
    /// Whether it holds what it is to hold: it is made of no backup, or that is there, and it follows none any more.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        let (spec, status) = (&self.spec, &self.status);
        let is_done = status.restore_initiated && !status.restore_required && !status.is_standby && !spec.standby;
        spec.from_backup.is_empty() || is_done
    }

    /// The volume, in the backup store, that it is made of.
    #[must_use]
    pub fn followed_volume(&self) -> Option<String> {
        let url: aurochs_engine::backup::BackupUrl = self.spec.from_backup.parse().ok()?;
        url.volume
    }
}

impl Default for VolumeSpec {
    fn default() -> Self {
        Self {
            size: ByteSize::ZERO,
            frontend: Frontend::Blockdev,
            number_of_replicas: 3,
            node_id: String::new(),
            disable_frontend: false,
            data_locality: DataLocality::Disabled,
            access_mode: AccessMode::Rwo,
            data_engine: "v1".to_owned(),
            data_layout: DataLayout::default(),
            engine_node_id: String::new(),
            ublk_queue_depth: 0,
            ublk_number_of_queue: 0,
            nvme_tcp_nr_io_queues: 0,
            image: String::new(),
            stale_replica_timeout: 2880,
            revision_counter_disabled: true,
            disk_selector: Vec::new(),
            node_selector: Vec::new(),
            replica_soft_anti_affinity: Override::Ignored,
            replica_zone_soft_anti_affinity: Override::Ignored,
            replica_disk_soft_anti_affinity: Override::Ignored,
            replica_auto_balance: ReplicaAutoBalance::Ignored,
            rebuild_concurrent_sync_limit: 0,
            replica_rebuilding_bandwidth_limit: 0,
            snapshot_max_count: 250,
            snapshot_max_size: ByteSize::ZERO,
            snapshot_data_integrity: SnapshotDataIntegrity::Ignored,
            snapshot_hashing_requested_at: String::new(),
            backup_compression_method: BackupCompression::Lz4,
            backup_target_name: "default".to_owned(),
            backup_block_size: ByteSize(2 << 20),
            unmap_mark_snap_chain_removed: Override::Ignored,
            freeze_filesystem_for_snapshot: Override::Ignored,
            offline_rebuilding: Override::Ignored,
            restore_volume_recurring_job: Override::Ignored,
            encrypted: false,
            migratable: false,
            standby: false,
            from_backup: String::new(),
            instant_restore: false,
            data_source: String::new(),
            clone_mode: CloneMode::None,
            backing_image: String::new(),
            last_attached_by: String::new(),
            migration_node_id: String::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub state: VolumeState,
    pub robustness: Robustness,
    /// Node the engine runs on; empty while detached.
    #[serde(rename = "currentNodeID")]
    pub current_node_id: String,
    #[serde(rename = "currentMigrationNodeID")]
    pub current_migration_node_id: String,
    pub current_image: String,
    pub frontend_disabled: bool,
    pub expansion_required: bool,
    pub restore_required: bool,
    pub restore_initiated: bool,
    pub is_standby: bool,
    /// Ours: it can be used, and parts of its data are only in the backup that it is made of.
    pub is_partly_remote: bool,
    /// Bytes on disk of all layers of one replica, rounded so that it changes rarely. A JSON number.
    #[serde(with = "aurochs_api::size::as_number")]
    #[schema(wire = "integer")]
    pub actual_size: ByteSize,
    pub conditions: Vec<Condition>,
    pub clone_status: CloneStatus,
    pub kubernetes_status: KubernetesStatus,
    pub last_backup: String,
    pub last_backup_at: String,
    pub last_degraded_at: String,
    pub last_auto_salvaged_at: String,
    pub remount_requested_at: String,
    pub share_endpoint: String,
    pub share_state: String,
    /// When the hashing that somebody asked for was done.
    pub last_on_demand_snapshot_hashing_complete_at: String,
    /// Of the v2 data engine.
    #[serde(rename = "currentEngineNodeID")]
    pub current_engine_node_id: String,
    pub switchover_state: String,
    /// Ours: why the volume is not as wished, worst first.
    pub causes: Vec<Cause>,
    /// Ours: who has all of its data (SAFETY.md), where a cluster keeps the resources. The instance managers write it and nobody
    /// else: what a manager writes leaves it as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_record: Option<ControlRecord>,
}

/// The control record of a volume, as the instance managers keep it (`engine/src/instance/records`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControlRecord {
    pub volume: String,
    /// Which engine start this is.
    pub epoch: u64,
    /// Count of membership changes.
    pub generation: u64,
    /// Replicas that hold every acknowledged write.
    pub members: Vec<String>,
    /// Replicas that are being rebuilt.
    pub joining: Vec<String>,
    /// The last engine closed properly.
    pub clean: bool,
    /// Tells the volume from others that have had its name.
    pub incarnation: String,
}
