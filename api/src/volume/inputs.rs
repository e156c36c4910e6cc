//! Bodies of a volume's actions. Texts that are checked against words are [`Word`]s: an absent one is told from a wrong one.

use serde::{Deserialize, Serialize};

use super::{
    AccessMode, BackupCompression, DataLocality, Override, ReplicaAutoBalance, SizeText, SnapshotDataIntegrity,
};
use crate::describe::Described;
use crate::word::Word;

/// Bodies of one field each, with the type's name in `/v1/schemas`.
macro_rules! inputs {
    ($( $(#[doc = $doc:literal])* $name:ident $id:literal { $field:ident : $kind:ty } )*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[schema(id = $id)]
        pub struct $name {
            pub $field: $kind,
        }
    )* };
}

inputs! {
    /// The replicas whose data is to be used although none is known to be whole.
    SalvageInput "salvageInput" { names: Vec<String> }
    /// `blockdev` or `iscsi`, for a standby volume that is to be used.
    ActivateInput "activateInput" { frontend: String }
    /// The new size; Kubernetes quantity text or bytes.
    ExpandInput "expandInput" { size: SizeText }
    EngineUpgradeInput "engineUpgradeInput" { image: String }
    /// Name of the replica that is given up.
    ReplicaRemoveInput "replicaRemoveInput" { name: String }
    UpdateReplicaCountInput "UpdateReplicaCountInput" { replica_count: u32 }
    UpdateReplicaAutoBalanceInput "UpdateReplicaAutoBalanceInput" { replica_auto_balance: Word<ReplicaAutoBalance> }
    /// From 1 to 5; 0 follows the setting.
    UpdateRebuildConcurrentSyncLimitInput "UpdateRebuildConcurrentSyncLimitInput" {
        rebuild_concurrent_sync_limit: Option<u32>
    }
    UpdateDataLocalityInput "UpdateDataLocalityInput" { data_locality: Word<DataLocality> }
    UpdateAccessModeInput "UpdateAccessModeInput" { access_mode: Word<AccessMode> }
    UpdateSnapshotDataIntegrityInput "UpdateSnapshotDataIntegrityInput" {
        snapshot_data_integrity: Word<SnapshotDataIntegrity>
    }
    UpdateSnapshotMaxCountInput "UpdateSnapshotMaxCountInput" { snapshot_max_count: Option<u32> }
    /// 0 for no limit.
    UpdateSnapshotMaxSizeInput "UpdateSnapshotMaxSizeInput" { snapshot_max_size: SizeText }
    /// Megabytes a second; 0 follows the setting. A text here, though the volume's field is a number.
    UpdateReplicaRebuildingBandwidthLimitInput "UpdateReplicaRebuildingBandwidthLimitInput" {
        replica_rebuilding_bandwidth_limit: SizeText
    }
    UpdateUblkQueueDepthInput "UpdateUblkQueueDepthInput" { ublk_queue_depth: u32 }
    UpdateUblkNumberOfQueueInput "UpdateUblkNumberOfQueueInput" { ublk_number_of_queue: u32 }
    UpdateBackupCompressionInput "UpdateBackupCompressionInput" { backup_compression_method: Word<BackupCompression> }
    UpdateUnmapMarkSnapChainRemovedInput "UpdateUnmapMarkSnapChainRemovedInput" {
        unmap_mark_snap_chain_removed: Word<Override>
    }
    UpdateReplicaSoftAntiAffinityInput "UpdateReplicaSoftAntiAffinityInput" {
        replica_soft_anti_affinity: Word<Override>
    }
    UpdateReplicaZoneSoftAntiAffinityInput "UpdateReplicaZoneSoftAntiAffinityInput" {
        replica_zone_soft_anti_affinity: Word<Override>
    }
    UpdateReplicaDiskSoftAntiAffinityInput "UpdateReplicaDiskSoftAntiAffinityInput" {
        replica_disk_soft_anti_affinity: Word<Override>
    }
    UpdateFreezeFilesystemForSnapshotInput "UpdateFreezeFilesystemForSnapshotInput" {
        freeze_filesystem_for_snapshot: Word<Override>
    }
    UpdateBackupTargetInput "UpdateBackupTargetInput" { backup_target_name: String }
    UpdateOfflineRebuildingInput "UpdateOfflineRebuildingInput" { offline_rebuilding: Word<Override> }
}

/// A job, or a group of jobs, that a volume takes part in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "volumeRecurringJobInput")]
pub struct VolumeRecurringJobInput {
    pub name: String,
    pub is_group: bool,
}

/// The Kubernetes volume that is made for a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "PVCreateInput")]
pub struct PvCreateInput {
    pub pv_name: String,
    pub fs_type: String,
    pub secret_name: String,
    pub secret_namespace: String,
    pub storage_class_name: String,
}

/// The Kubernetes claim that is made for a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "PVCCreateInput")]
pub struct PvcCreateInput {
    pub namespace: String,
    pub pvc_name: String,
}
