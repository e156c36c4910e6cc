//! Volumes: the collection, one volume, its actions.

pub mod action;
pub mod activate;
pub mod attach;
pub(crate) mod backing_image;
mod backup_target;
pub mod cancel_expansion;
pub mod create;
mod data_source;
pub mod delete;
pub mod detach;
pub mod engine;
pub mod engine_upgrade;
pub mod expand;
mod from_backup;
pub mod get;
pub mod list;
pub(crate) mod new_volume;
pub mod offline_replica_rebuilding;
pub mod recurring_job;
pub mod replica_remove;
mod room;
pub(crate) mod rules;
pub mod salvage;
pub mod snapshot_backup;
pub mod snapshot_cr;
pub mod snapshot_create;
pub mod snapshot_delete;
pub mod snapshot_get;
pub(crate) mod snapshot_labels;
pub mod snapshot_list;
pub mod snapshot_purge;
pub mod snapshot_revert;
mod ticket;
pub mod trim_filesystem;
pub mod update_access_mode;
pub mod update_backup_compression_method;
pub mod update_backup_target_name;
pub mod update_data_locality;
pub mod update_freeze_filesystem_for_snapshot;
pub mod update_rebuild_concurrent_sync_limit;
pub mod update_replica_auto_balance;
pub mod update_replica_count;
pub mod update_replica_disk_soft_anti_affinity;
pub mod update_replica_rebuilding_bandwidth_limit;
pub mod update_replica_soft_anti_affinity;
pub mod update_replica_zone_soft_anti_affinity;
pub mod update_snapshot_data_integrity;
pub mod update_snapshot_max_count;
pub mod update_snapshot_max_size;
pub mod update_ublk_number_of_queue;
pub mod update_ublk_queue_depth;
pub mod update_unmap_mark_snap_chain_removed;

use aurochs_api::snapshot::{SnapshotCrListOutput, SnapshotListOutput};
use aurochs_api::volume::actions::{
    Activate, Attach, CancelExpansion, Detach, EngineUpgrade, Expand, OfflineReplicaRebuilding, PvCreate, PvcCreate,
    RecurringJobAdd, RecurringJobDelete, RecurringJobList, ReplicaRemove, Salvage, SnapshotBackup, SnapshotCrCreate,
    SnapshotCrDelete, SnapshotCrGet, SnapshotCrList, SnapshotCreate, SnapshotDelete, SnapshotGet, SnapshotList,
    SnapshotPurge, SnapshotRevert, TrimFilesystem, UpdateAccessMode, UpdateBackupCompressionMethod,
    UpdateBackupTargetName, UpdateDataLocality, UpdateFreezeFilesystemForSnapshot, UpdateRebuildConcurrentSyncLimit,
    UpdateReplicaAutoBalance, UpdateReplicaCount, UpdateReplicaDiskSoftAntiAffinity,
    UpdateReplicaRebuildingBandwidthLimit, UpdateReplicaSoftAntiAffinity, UpdateReplicaZoneSoftAntiAffinity,
    UpdateSnapshotDataIntegrity, UpdateSnapshotMaxCount, UpdateSnapshotMaxSize, UpdateUblkNumberOfQueue,
    UpdateUblkQueueDepth, UpdateUnmapMarkSnapChainRemoved,
};
use aurochs_api::volume::{DataLayout, Volume, VolumeCreateInput};

use crate::feature::Feature;
use crate::nouns::Noun;
use crate::nouns::noun::Builder;

/// Volumes are made, read, acted on and deleted; what of them can be changed is changed by actions.
pub fn noun() -> Noun {
    let noun = Noun::of::<Volume>()
        .list(list::handle)
        .streamed(&["volumes", "engines", "replicas", "volumeattachments"])
        .create::<VolumeCreateInput, _>(create::handle)
        .get(get::handle)
        .delete(delete::handle)
        .with::<DataLayout>()
        .with::<SnapshotListOutput>()
        .with::<SnapshotCrListOutput>();
    fields(snapshots(life(noun))).done()
}

/// Attaching, growing, mending; what Kubernetes and backups want of a volume.
fn life(noun: Builder<Volume>) -> Builder<Volume> {
    noun.act::<Attach, _, _>(attach::handle)
        .act::<Detach, _, _>(detach::handle)
        .act::<Salvage, _, _>(salvage::handle)
        .act::<Activate, _, _>(activate::handle)
        .act::<Expand, _, _>(expand::handle)
        .act::<CancelExpansion, _, _>(cancel_expansion::handle)
        .act::<ReplicaRemove, _, _>(replica_remove::handle)
        .act::<EngineUpgrade, _, _>(engine_upgrade::handle)
        .act::<RecurringJobAdd, _, _>(recurring_job::add)
        .act::<RecurringJobList, _, _>(recurring_job::list)
        .act::<RecurringJobDelete, _, _>(recurring_job::delete)
        .act_later::<PvCreate>(Feature::Kubernetes)
        .act_later::<PvcCreate>(Feature::Kubernetes)
}

fn snapshots(noun: Builder<Volume>) -> Builder<Volume> {
    noun.act::<SnapshotCreate, _, _>(snapshot_create::handle)
        .act::<SnapshotGet, _, _>(snapshot_get::handle)
        .act::<SnapshotList, _, _>(snapshot_list::handle)
        .act::<SnapshotDelete, _, _>(snapshot_delete::handle)
        .act::<SnapshotRevert, _, _>(snapshot_revert::handle)
        .act::<SnapshotBackup, _, _>(snapshot_backup::handle)
        .act::<SnapshotCrCreate, _, _>(snapshot_cr::create)
        .act::<SnapshotCrGet, _, _>(snapshot_cr::get)
        .act::<SnapshotCrList, _, _>(snapshot_cr::list)
        .act::<SnapshotCrDelete, _, _>(snapshot_cr::delete)
        .act::<SnapshotPurge, _, _>(snapshot_purge::handle)
        .act::<TrimFilesystem, _, _>(trim_filesystem::handle)
}

/// Wishes that are stored; the controllers act on them.
fn fields(noun: Builder<Volume>) -> Builder<Volume> {
    noun.act::<OfflineReplicaRebuilding, _, _>(offline_replica_rebuilding::handle)
        .act::<UpdateAccessMode, _, _>(update_access_mode::handle)
        .act::<UpdateBackupCompressionMethod, _, _>(update_backup_compression_method::handle)
        .act::<UpdateBackupTargetName, _, _>(update_backup_target_name::handle)
        .act::<UpdateDataLocality, _, _>(update_data_locality::handle)
        .act::<UpdateFreezeFilesystemForSnapshot, _, _>(update_freeze_filesystem_for_snapshot::handle)
        .act::<UpdateRebuildConcurrentSyncLimit, _, _>(update_rebuild_concurrent_sync_limit::handle)
        .act::<UpdateReplicaAutoBalance, _, _>(update_replica_auto_balance::handle)
        .act::<UpdateReplicaCount, _, _>(update_replica_count::handle)
        .act::<UpdateReplicaDiskSoftAntiAffinity, _, _>(update_replica_disk_soft_anti_affinity::handle)
        .act::<UpdateReplicaRebuildingBandwidthLimit, _, _>(update_replica_rebuilding_bandwidth_limit::handle)
        .act::<UpdateReplicaSoftAntiAffinity, _, _>(update_replica_soft_anti_affinity::handle)
        .act::<UpdateReplicaZoneSoftAntiAffinity, _, _>(update_replica_zone_soft_anti_affinity::handle)
        .act::<UpdateSnapshotDataIntegrity, _, _>(update_snapshot_data_integrity::handle)
        .act::<UpdateSnapshotMaxCount, _, _>(update_snapshot_max_count::handle)
        .act::<UpdateSnapshotMaxSize, _, _>(update_snapshot_max_size::handle)
        .act::<UpdateUblkNumberOfQueue, _, _>(update_ublk_number_of_queue::handle)
        .act::<UpdateUblkQueueDepth, _, _>(update_ublk_queue_depth::handle)
        .act::<UpdateUnmapMarkSnapChainRemoved, _, _>(update_unmap_mark_snap_chain_removed::handle)
}
