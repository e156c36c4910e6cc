//! `aurochs volume set`: one action of the API for each thing that is said.

use aurochs_api::action::Action;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions as act;
use aurochs_api::volume::inputs::{
    UpdateAccessModeInput, UpdateBackupCompressionInput, UpdateBackupTargetInput, UpdateDataLocalityInput,
    UpdateFreezeFilesystemForSnapshotInput, UpdateOfflineRebuildingInput, UpdateRebuildConcurrentSyncLimitInput,
    UpdateReplicaAutoBalanceInput, UpdateReplicaCountInput, UpdateReplicaDiskSoftAntiAffinityInput,
    UpdateReplicaRebuildingBandwidthLimitInput, UpdateReplicaSoftAntiAffinityInput,
    UpdateReplicaZoneSoftAntiAffinityInput, UpdateSnapshotDataIntegrityInput, UpdateSnapshotMaxCountInput,
    UpdateSnapshotMaxSizeInput, UpdateUnmapMarkSnapChainRemovedInput,
};
use aurochs_api::volume::{
    AccessMode, BackupCompression, DataLocality, Override, ReplicaAutoBalance, SizeText, SnapshotDataIntegrity, Volume,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::client::failure::Failure;
use crate::client::{Client, Run, words};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume set data --replicas 3
  aurochs volume set data --data-locality best-effort --snapshot-max-count 50

Choices of ignored follow the setting of the same name.")]
pub struct Change {
    /// Name of the volume
    name: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Wishes {
    /// Copies of the data; while it is attached
    #[arg(short, long, value_name = "NUMBER")]
    replicas: Option<u32>,
    /// Whether a replica is to be where the volume is attached
    #[arg(long, value_parser = words::of::<DataLocality>(), value_name = "LOCALITY")]
    data_locality: Option<String>,
    /// Who may use it at a time; while it is detached
    #[arg(long, value_parser = words::of::<AccessMode>(), value_name = "MODE")]
    access_mode: Option<String>,
    /// Whether replicas may share a node
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    replica_soft_anti_affinity: Option<String>,
    /// Whether replicas may share a zone
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    zone_soft_anti_affinity: Option<String>,
    /// Whether replicas may share a disk
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    disk_soft_anti_affinity: Option<String>,
    /// Whether replicas are moved to even out the nodes
    #[arg(long, value_parser = words::of::<ReplicaAutoBalance>(), value_name = "CHOICE")]
    auto_balance: Option<String>,
    /// Pieces copied at the same time while a replica is rebuilt, 1 to 5; 0 follows the setting
    #[arg(long, value_name = "NUMBER")]
    rebuild_concurrency: Option<u32>,
    /// Megabytes a second at which a replica is rebuilt at most; 0 follows the setting
    #[arg(long, value_name = "MB")]
    rebuild_bandwidth: Option<u64>,
    /// Whether replicas are rebuilt while the volume is detached
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    offline_rebuilding: Option<String>,
    /// Snapshots it may have at most
    #[arg(long, value_name = "NUMBER")]
    snapshot_max_count: Option<u32>,
    /// Bytes that its snapshots may hold at most; 0 for no limit
    #[arg(long, value_parser = words::size, value_name = "SIZE")]
    snapshot_max_size: Option<ByteSize>,
    /// Whether the content of snapshots is hashed and checked
    #[arg(long, value_parser = words::of::<SnapshotDataIntegrity>(), value_name = "CHOICE")]
    snapshot_data_integrity: Option<String>,
    /// Whether the file system is frozen while a snapshot is taken
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    freeze_filesystem: Option<String>,
    /// Whether a trim also gives back what only snapshots hold that are not needed
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    unmap_mark_snap_chain_removed: Option<String>,
    /// How backups are compressed
    #[arg(long, value_parser = words::of::<BackupCompression>(), value_name = "METHOD")]
    backup_compression: Option<String>,
    /// Backup target of its backups
    #[arg(long, value_name = "TARGET")]
    backup_target: Option<String>,
}

impl Run for Box<Change> {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut asking = Asking { client, name: &self.name, answer: Value::Null, count: 0 };
        let result = asking.all(self.wishes).await;
        if result.is_err() && asking.count > 0 {
            client.output.aside(&format!("{} of the changes were made before this one was refused.", asking.count));
        }
        result?;
        client.output.done(&asking.answer, &self.name, &format!("Volume {} is changed.", self.name))
    }
}

/// One request after another; the last answer is the present state.
struct Asking<'a> {
    client: &'a Client,
    name: &'a str,
    answer: Value,
    count: usize,
}

impl Asking<'_> {
    async fn all(&mut self, wishes: Wishes) -> Result<(), Failure> {
        let Wishes { replicas, data_locality, access_mode, backup_compression, backup_target, .. } = &wishes;
        let input = |replica_count| UpdateReplicaCountInput { replica_count };
        self.change::<act::UpdateReplicaCount, _>(*replicas, input).await?;
        let input = |word: String| UpdateDataLocalityInput { data_locality: word.into() };
        self.change::<act::UpdateDataLocality, _>(data_locality.clone(), input).await?;
        let input = |word: String| UpdateAccessModeInput { access_mode: word.into() };
        self.change::<act::UpdateAccessMode, _>(access_mode.clone(), input).await?;
        let input = |word: String| UpdateBackupCompressionInput { backup_compression_method: word.into() };
        self.change::<act::UpdateBackupCompressionMethod, _>(backup_compression.clone(), input).await?;
        let input = |backup_target_name| UpdateBackupTargetInput { backup_target_name };
        self.change::<act::UpdateBackupTargetName, _>(backup_target.clone(), input).await?;
        self.placing(&wishes).await?;
        self.snapshots(wishes).await
    }

    async fn placing(&mut self, wishes: &Wishes) -> Result<(), Failure> {
        let input = |word: String| UpdateReplicaSoftAntiAffinityInput { replica_soft_anti_affinity: word.into() };
        self.change::<act::UpdateReplicaSoftAntiAffinity, _>(wishes.replica_soft_anti_affinity.clone(), input).await?;
        let input =
            |word: String| UpdateReplicaZoneSoftAntiAffinityInput { replica_zone_soft_anti_affinity: word.into() };
        self.change::<act::UpdateReplicaZoneSoftAntiAffinity, _>(wishes.zone_soft_anti_affinity.clone(), input).await?;
        let input =
            |word: String| UpdateReplicaDiskSoftAntiAffinityInput { replica_disk_soft_anti_affinity: word.into() };
        self.change::<act::UpdateReplicaDiskSoftAntiAffinity, _>(wishes.disk_soft_anti_affinity.clone(), input).await?;
        let input = |word: String| UpdateReplicaAutoBalanceInput { replica_auto_balance: word.into() };
        self.change::<act::UpdateReplicaAutoBalance, _>(wishes.auto_balance.clone(), input).await?;
        let input = |limit| UpdateRebuildConcurrentSyncLimitInput { rebuild_concurrent_sync_limit: Some(limit) };
        self.change::<act::UpdateRebuildConcurrentSyncLimit, _>(wishes.rebuild_concurrency, input).await?;
        let input = |limit: u64| UpdateReplicaRebuildingBandwidthLimitInput {
            replica_rebuilding_bandwidth_limit: SizeText(limit.to_string()),
        };
        self.change::<act::UpdateReplicaRebuildingBandwidthLimit, _>(wishes.rebuild_bandwidth, input).await?;
        let input = |word: String| UpdateOfflineRebuildingInput { offline_rebuilding: word.into() };
        self.change::<act::OfflineReplicaRebuilding, _>(wishes.offline_rebuilding.clone(), input).await
    }

    async fn snapshots(&mut self, wishes: Wishes) -> Result<(), Failure> {
        let input = |count| UpdateSnapshotMaxCountInput { snapshot_max_count: Some(count) };
        self.change::<act::UpdateSnapshotMaxCount, _>(wishes.snapshot_max_count, input).await?;
        let input = |size| UpdateSnapshotMaxSizeInput { snapshot_max_size: words::size_text(Some(size)) };
        self.change::<act::UpdateSnapshotMaxSize, _>(wishes.snapshot_max_size, input).await?;
        let input = |word: String| UpdateSnapshotDataIntegrityInput { snapshot_data_integrity: word.into() };
        self.change::<act::UpdateSnapshotDataIntegrity, _>(wishes.snapshot_data_integrity, input).await?;
        let input =
            |word: String| UpdateFreezeFilesystemForSnapshotInput { freeze_filesystem_for_snapshot: word.into() };
        self.change::<act::UpdateFreezeFilesystemForSnapshot, _>(wishes.freeze_filesystem, input).await?;
        let input = |word: String| UpdateUnmapMarkSnapChainRemovedInput { unmap_mark_snap_chain_removed: word.into() };
        self.change::<act::UpdateUnmapMarkSnapChainRemoved, _>(wishes.unmap_mark_snap_chain_removed, input).await
    }

    /// Asks for one thing, if it was said.
    async fn change<A, Said>(&mut self, said: Option<Said>, input: impl FnOnce(Said) -> A::Input) -> Result<(), Failure>
    where
        A: Action<On = Volume>,
        A::Input: Serialize,
    {
        if let Some(said) = said {
            self.answer = self.client.api.act::<A>(self.name, &input(said)).await?;
            self.count += 1;
        }
        Ok(())
    }
}
