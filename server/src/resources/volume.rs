//! Volume: what a user wants stored, and how it is.

use aurochs_api::cause::Cause;
use aurochs_api::condition::Condition;
use aurochs_api::size::ByteSize;
pub use aurochs_api::volume::{CloneStatus, KubernetesStatus, Robustness, VolumeState};
use serde::{Deserialize, Serialize};

use super::Kind;

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
/// Condition: the volume is attached so that its replicas are rebuilt, and for nothing else.
pub const CONDITION_OFFLINE_REBUILDING: &str = "OfflineRebuilding";
pub const REASON_OFFLINE_REBUILDING: &str = "OfflineRebuildingInProgress";
/// The replica that data locality wants on one node has no place there.
pub const REASON_LOCAL_SCHEDULING_FAILURE: &str = "LocalReplicaSchedulingFailure";

/// How a volume is offered to its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frontend {
    /// `/dev/longhorn/<volume>`.
    #[default]
    Blockdev,
    Iscsi,
    /// Ours: an NBD server only, for clients without root.
    Nbd,
    #[serde(rename = "")]
    None,
}

impl Frontend {
    /// The word in the resource and in the engine's interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blockdev => "blockdev",
            Self::Iscsi => "iscsi",
            Self::Nbd => "nbd",
            Self::None => "",
        }
    }
}

/// A volume's own answer to a question that a setting answers too; `ignored` follows the setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Override {
    #[default]
    #[serde(alias = "")]
    Ignored,
    Enabled,
    Disabled,
}

impl Override {
    #[must_use]
    pub const fn or_setting(self, setting: bool) -> bool {
        match self {
            Self::Ignored => setting,
            Self::Enabled => true,
            Self::Disabled => false,
        }
    }

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataLocality {
    #[default]
    Disabled,
    BestEffort,
    StrictLocal,
}

impl DataLocality {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::BestEffort => "best-effort",
            Self::StrictLocal => "strict-local",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessMode {
    #[default]
    Rwo,
    Rwop,
    Rwx,
}

impl AccessMode {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rwo => "rwo",
            Self::Rwop => "rwop",
            Self::Rwx => "rwx",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub image: String,
    /// Minutes after which a failed replica's data is given up.
    pub stale_replica_timeout: u32,
    pub revision_counter_disabled: bool,
    pub disk_selector: Vec<String>,
    pub node_selector: Vec<String>,
    pub replica_soft_anti_affinity: Override,
    pub replica_zone_soft_anti_affinity: Override,
    pub replica_disk_soft_anti_affinity: Override,
    pub replica_auto_balance: String,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: ByteSize,
    pub snapshot_data_integrity: String,
    pub backup_compression_method: String,
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
    pub data_source: String,
    pub clone_mode: String,
    pub backing_image: String,
    pub last_attached_by: String,
    #[serde(rename = "migrationNodeID")]
    pub migration_node_id: String,
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
            image: String::new(),
            stale_replica_timeout: 2880,
            revision_counter_disabled: true,
            disk_selector: Vec::new(),
            node_selector: Vec::new(),
            replica_soft_anti_affinity: Override::Ignored,
            replica_zone_soft_anti_affinity: Override::Ignored,
            replica_disk_soft_anti_affinity: Override::Ignored,
            replica_auto_balance: "ignored".to_owned(),
            snapshot_max_count: 250,
            snapshot_max_size: ByteSize::ZERO,
            snapshot_data_integrity: "ignored".to_owned(),
            backup_compression_method: "lz4".to_owned(),
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
            data_source: String::new(),
            clone_mode: String::new(),
            backing_image: String::new(),
            last_attached_by: String::new(),
            migration_node_id: String::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Bytes on disk of all layers of one replica, rounded so that it changes rarely. A JSON number.
    #[serde(with = "aurochs_api::size::as_number")]
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
    /// Ours: why the volume is not as wished, worst first.
    pub causes: Vec<Cause>,
}
