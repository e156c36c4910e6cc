//! Volumes: the resource everything turns around.
//!
//! The view of a volume is here, what its fields can say in [`choices`], the wish for a new one in [`create`], what can
//! be done with it in [`actions`] with the bodies of [`inputs`].

pub mod actions;
pub mod choices;
pub mod create;
pub mod inputs;
pub mod phase;
pub mod progress;

use serde::{Deserialize, Serialize};

pub use choices::{
    AccessMode, BackupCompression, CloneMode, CloneState, DataLocality, Frontend, LayoutMode, Override,
    ReplicaAutoBalance, SnapshotDataIntegrity,
};
pub use create::{SizeText, VolumeCreateInput};
pub use progress::{BackupStatus, PurgeStatus, RebuildStatus, RestoreStatus};

use crate::attachment::VolumeAttachment;
use crate::cause::Cause;
use crate::condition::ConditionMap;
use crate::describe::Described;
use crate::nested::Nested;
use crate::replica::Replica;
use crate::size::ByteSize;
use crate::snapshot::Snapshot;

/// Where a volume is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeState {
    #[default]
    Creating,
    Attached,
    Detached,
    Attaching,
    Detaching,
    Deleting,
}

/// How safe its data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Robustness {
    Healthy,
    Degraded,
    Faulted,
    #[default]
    Unknown,
}

/// A volume as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    #[schema(create, required, unique)]
    pub name: String,
    #[schema(create, required, default = "100G")]
    pub size: ByteSize,
    #[schema(create)]
    pub frontend: Frontend,
    pub disable_frontend: bool,
    #[schema(create)]
    pub from_backup: String,
    /// Ours: it can be attached before its data is there.
    #[schema(create)]
    pub instant_restore: bool,
    /// Ours: bytes that are only in the backup yet.
    pub remote_size: ByteSize,
    pub restore_volume_recurring_job: Override,
    #[schema(create)]
    pub data_source: String,
    #[schema(create)]
    pub clone_mode: CloneMode,
    #[schema(create, default = "disabled")]
    pub data_locality: DataLocality,
    #[schema(create, default = "2880")]
    pub stale_replica_timeout: u32,
    pub state: VolumeState,
    pub robustness: Robustness,
    pub image: String,
    pub current_image: String,
    #[schema(create)]
    pub backing_image: String,
    /// Go's default time text, `2024-05-01 10:00:00 +0000 UTC`: Longhorn's UI knows no other form here.
    pub created: String,
    pub last_backup: String,
    pub last_backup_at: String,
    pub last_attached_by: String,
    #[schema(create, default = "false")]
    pub standby: bool,
    pub restore_required: bool,
    pub restore_initiated: bool,
    #[schema(create, required, default = "false")]
    pub revision_counter_disabled: bool,
    #[schema(create, default = "ignored")]
    pub snapshot_data_integrity: SnapshotDataIntegrity,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    #[schema(create, required, default = "ignored")]
    pub unmap_mark_snap_chain_removed: Override,
    #[schema(create, default = "lz4")]
    pub backup_compression_method: BackupCompression,
    pub backup_target_name: String,
    pub backup_block_size: ByteSize,
    #[schema(create, required, default = "ignored")]
    pub replica_soft_anti_affinity: Override,
    #[schema(create, required, default = "ignored")]
    pub replica_zone_soft_anti_affinity: Override,
    #[schema(create, required, default = "ignored")]
    pub replica_disk_soft_anti_affinity: Override,
    pub freeze_filesystem_for_snapshot: Override,
    pub offline_rebuilding: Override,
    #[schema(create, required, default = "v1")]
    pub data_engine: String,
    #[schema(create, as = "v1beta2.VolumeDataLayout")]
    pub data_layout: DataLayout,
    /// Of the v2 data engine, as the two below; 0 follows the setting.
    pub ublk_queue_depth: u32,
    pub ublk_number_of_queue: u32,
    pub nvme_tcp_nr_io_queues: u32,
    #[schema(create)]
    pub disk_selector: Vec<String>,
    #[schema(create)]
    pub node_selector: Vec<String>,
    #[schema(create, required, default = "2")]
    pub number_of_replicas: u32,
    pub replica_auto_balance: ReplicaAutoBalance,
    /// How much is copied at the same time while a replica is rebuilt; 0 follows the setting.
    #[schema(create, default = "0")]
    pub rebuild_concurrent_sync_limit: u32,
    /// Megabytes a second; 0 follows the setting.
    pub replica_rebuilding_bandwidth_limit: u64,
    #[schema(create)]
    pub recurring_job_selector: Vec<RecurringJobRef>,
    #[schema(as = "map[volumeCondition]")]
    pub conditions: ConditionMap,
    pub kubernetes_status: KubernetesStatus,
    pub clone_status: CloneStatus,
    pub ready: bool,
    pub not_ready_message: String,
    #[schema(create, default = "rwo")]
    pub access_mode: AccessMode,
    pub share_endpoint: String,
    pub share_state: String,
    pub migratable: bool,
    pub encrypted: bool,
    pub replicas: Vec<Replica>,
    #[schema(nullable)]
    pub controllers: Vec<Controller>,
    /// Backups running from this volume; filled by the backup feature.
    pub backup_status: Vec<Nested<BackupStatus>>,
    pub restore_status: Vec<Nested<RestoreStatus>>,
    /// `null` when there is nothing, as Longhorn has it.
    pub purge_status: Option<Vec<Nested<PurgeStatus>>>,
    pub rebuild_status: Vec<Nested<RebuildStatus>>,
    pub volume_attachment: Nested<VolumeAttachment>,
    /// Ours: why the volume is not as wished, worst first.
    #[schema(ours)]
    pub causes: Vec<Cause>,
    /// Ours: all layers while attached, so that the dashboard's tree is live; empty while detached.
    #[schema(ours)]
    pub snapshots: Vec<Snapshot>,
    /// Ours: which frontend offers the device, and why this one.
    #[schema(ours)]
    pub frontend_in_use: String,
    #[schema(ours)]
    pub frontend_reason: String,
    /// Ours: NBD address for standard clients, empty when there is none.
    #[schema(ours)]
    pub nbd_uri: String,
}

impl Volume {
    /// Bytes that one replica holds on disk, all layers together.
    #[must_use]
    pub fn actual_size(&self) -> ByteSize {
        self.controllers.first().map(|controller| controller.actual_size).unwrap_or_default()
    }

    /// Node the volume is attached to, empty when it is not.
    #[must_use]
    pub fn node(&self) -> &str {
        self.controllers.first().map_or("", |controller| controller.host_id.as_str())
    }

    /// Device path or address, empty when none is offered.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.controllers.first().map_or("", |controller| controller.endpoint.as_str())
    }
}

/// The running engine of a volume.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Controller {
    pub name: String,
    pub running: bool,
    pub host_id: String,
    pub instance_manager_name: String,
    pub endpoint: String,
    pub address: String,
    pub size: ByteSize,
    pub actual_size: ByteSize,
    pub image: String,
    pub current_image: String,
    pub is_expanding: bool,
    pub last_expansion_error: String,
    pub last_expansion_failed_at: String,
    pub last_restored_backup: String,
    pub requested_backup_restore: String,
    pub unmap_mark_snap_chain_removed_enabled: bool,
}

/// A recurring job, or a group of them, that a volume takes part in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "volumeRecurringJob")]
pub struct RecurringJobRef {
    pub name: String,
    pub is_group: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesStatus {
    pub namespace: String,
    pub pv_name: String,
    pub pv_status: String,
    pub pvc_name: String,
    #[serde(rename = "lastPVCRefAt")]
    pub last_pvc_ref_at: String,
    pub last_pod_ref_at: String,
    pub workloads_status: Option<Vec<WorkloadStatus>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    pub pod_name: String,
    pub pod_status: String,
    pub workload_name: String,
    pub workload_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CloneStatus {
    pub source_volume: String,
    pub snapshot: String,
    pub state: CloneState,
    pub attempt_count: u32,
    pub next_allowed_attempt_at: String,
}

/// How a volume of the v2 data engine spreads its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "volumeDataLayout")]
pub struct DataLayout {
    pub mode: LayoutMode,
    #[serde(skip_serializing_if = "is_zero")]
    pub data_chunks: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub parity_chunks: u32,
    #[serde(rename = "stripSizeKB", skip_serializing_if = "is_zero")]
    pub strip_size_kb: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
