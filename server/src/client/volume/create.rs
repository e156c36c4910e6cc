//! `aurochs volume create`

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{
    AccessMode, BackupCompression, CloneMode, DataLocality, Frontend, Override, RecurringJobRef, ReplicaAutoBalance,
    SnapshotDataIntegrity, Volume, VolumeCreateInput, VolumeState,
};
use clap::Args;

use super::follow::until;
use crate::client::failure::Failure;
use crate::client::wait::Patience;
use crate::client::{Client, Run, words};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume create data --size 10Gi
  aurochs volume create data --size 500Gi --replicas 3 --data-locality best-effort --disk-tag ssd --recurring-job nightly
  aurochs volume create copy --size 10Gi --from-volume data --from-snapshot before-upgrade --wait

Sizes are bytes or quantities such as 10Gi (2^30) or 10G (10^9). What is not said follows the settings.")]
pub struct Create {
    /// Name of the new volume
    name: String,
    /// How large, such as 10Gi
    #[arg(short, long, value_parser = words::size)]
    size: ByteSize,
    /// Copies of the data, each on another disk
    #[arg(short, long, value_name = "NUMBER")]
    replicas: Option<u32>,
    /// How it is offered to its node
    #[arg(long, value_parser = words::of::<Frontend>(), value_name = "FRONTEND")]
    frontend: Option<String>,
    /// Who may use it at a time
    #[arg(long, value_parser = words::of::<AccessMode>(), value_name = "MODE")]
    access_mode: Option<String>,
    /// Whether a replica is to be where the volume is attached
    #[arg(long, value_parser = words::of::<DataLocality>(), value_name = "LOCALITY")]
    data_locality: Option<String>,
    /// Only nodes with this tag get replicas; can be given several times
    #[arg(long = "node-tag", value_name = "TAG")]
    node_tags: Vec<String>,
    /// Only disks with this tag get replicas; can be given several times
    #[arg(long = "disk-tag", value_name = "TAG")]
    disk_tags: Vec<String>,
    #[command(flatten)]
    placing: Placing,
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    source: Source,
    /// Wait until it can be attached; a copy is filled then
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Placing and rebuilding")]
struct Placing {
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
    /// Minutes after which the data of a failed replica is given up
    #[arg(long, value_name = "MINUTES")]
    stale_replica_timeout: Option<u32>,
    /// Pieces copied at the same time while a replica is rebuilt, 1 to 5
    #[arg(long, value_name = "NUMBER")]
    rebuild_concurrency: Option<u32>,
    /// Megabytes a second at which a replica is rebuilt at most
    #[arg(long, value_name = "MB")]
    rebuild_bandwidth: Option<u64>,
    /// Whether replicas are rebuilt while the volume is detached
    #[arg(long, value_parser = words::of::<Override>(), value_name = "CHOICE")]
    offline_rebuilding: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Snapshots and backups")]
struct Keeping {
    /// Snapshots it may have at most
    #[arg(long, value_name = "NUMBER")]
    snapshot_max_count: Option<u32>,
    /// Bytes that its snapshots may hold at most, such as 20Gi
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
    /// Recurring job that it takes part in; can be given several times
    #[arg(long = "recurring-job", value_name = "JOB")]
    jobs: Vec<String>,
    /// Group of recurring jobs that it takes part in; can be given several times
    #[arg(long = "recurring-job-group", value_name = "GROUP")]
    job_groups: Vec<String>,
    /// How backups are compressed
    #[arg(long, value_parser = words::of::<BackupCompression>(), value_name = "METHOD")]
    backup_compression: Option<String>,
    /// Backup target of its backups
    #[arg(long, value_name = "TARGET")]
    backup_target: Option<String>,
    /// Size of a backup's blocks, 2Mi or 16Mi
    #[arg(long, value_parser = words::size, value_name = "SIZE")]
    backup_block_size: Option<ByteSize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What it is made of")]
struct Source {
    /// Volume to copy
    #[arg(long, value_name = "VOLUME", conflicts_with_all = ["from_backup", "backing_image"])]
    from_volume: Option<String>,
    /// Snapshot of that volume; its present content otherwise
    #[arg(long, value_name = "SNAPSHOT", requires = "from_volume")]
    from_snapshot: Option<String>,
    /// How a copy gets its content
    #[arg(long, value_parser = words::of::<CloneMode>(), value_name = "MODE", requires = "from_volume")]
    clone_mode: Option<String>,
    /// URL of a backup to restore
    #[arg(long, value_name = "URL", conflicts_with = "backing_image")]
    from_backup: Option<String>,
    /// Backing image
    #[arg(long, value_name = "NAME")]
    backing_image: Option<String>,
    /// Follow the backups of another cluster, until it is activated
    #[arg(long, requires = "from_backup")]
    standby: bool,
    /// Let it be attached at once: its data comes out of the backup on demand, and in the background
    #[arg(long, requires = "from_backup", conflicts_with = "standby")]
    instant_restore: bool,
    /// It is opened encrypted by the CSI driver, with the secret of its class; who attaches it by hand encrypts it by hand
    #[arg(long)]
    encrypted: bool,
    /// Let it be used on two nodes while a virtual machine moves
    #[arg(long)]
    migratable: bool,
}

impl Run for Box<Create> {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = self.name.clone();
        let (wait, patience) = (self.wait, &self.patience);
        let created = client.api.create::<Volume>(&self.input()).await?;
        if !wait {
            let sentence =
                format!("Volume {name} is created. `aurochs volume attach {name}` makes it usable on a node.");
            return client.output.done(&created.raw, &name, &sentence);
        }
        let is_done = |volume: &Volume| Ok(volume.state == VolumeState::Detached && volume.ready);
        let seen = until(client, &name, &format!("creating volume {name}"), patience, is_done).await?;
        client.output.done(&seen.raw, &name, &format!("Volume {name} is ready to be attached."))
    }
}

impl Create {
    fn input(&self) -> VolumeCreateInput {
        fn word<T>(said: &Option<String>) -> T
        where
            T: From<String> + Default,
        {
            said.clone().map(T::from).unwrap_or_default()
        }
        let (placing, keeping, source) = (&self.placing, &self.keeping, &self.source);
        VolumeCreateInput {
            name: self.name.clone(),
            size: words::size_text(Some(self.size)),
            number_of_replicas: self.replicas.unwrap_or_default(),
            frontend: word(&self.frontend),
            access_mode: word(&self.access_mode),
            data_locality: word(&self.data_locality),
            node_selector: self.node_tags.clone(),
            disk_selector: self.disk_tags.clone(),
            replica_soft_anti_affinity: word(&placing.replica_soft_anti_affinity),
            replica_zone_soft_anti_affinity: word(&placing.zone_soft_anti_affinity),
            replica_disk_soft_anti_affinity: word(&placing.disk_soft_anti_affinity),
            replica_auto_balance: word(&placing.auto_balance),
            stale_replica_timeout: placing.stale_replica_timeout.unwrap_or_default(),
            rebuild_concurrent_sync_limit: placing.rebuild_concurrency.unwrap_or_default(),
            replica_rebuilding_bandwidth_limit: placing.rebuild_bandwidth.unwrap_or_default(),
            offline_rebuilding: word(&placing.offline_rebuilding),
            snapshot_max_count: keeping.snapshot_max_count.unwrap_or_default(),
            snapshot_max_size: words::size_text(keeping.snapshot_max_size),
            snapshot_data_integrity: word(&keeping.snapshot_data_integrity),
            freeze_filesystem_for_snapshot: word(&keeping.freeze_filesystem),
            unmap_mark_snap_chain_removed: word(&keeping.unmap_mark_snap_chain_removed),
            recurring_job_selector: keeping.selector(),
            backup_compression_method: word(&keeping.backup_compression),
            backup_target_name: keeping.backup_target.clone().unwrap_or_default(),
            backup_block_size: words::size_text(keeping.backup_block_size),
            data_source: source.data_source(),
            clone_mode: word(&source.clone_mode),
            from_backup: source.from_backup.clone().unwrap_or_default(),
            backing_image: source.backing_image.clone().unwrap_or_default(),
            standby: source.standby,
            instant_restore: source.instant_restore,
            encrypted: source.encrypted,
            migratable: source.migratable,
            ..VolumeCreateInput::default()
        }
    }
}

impl Keeping {
    fn selector(&self) -> Vec<RecurringJobRef> {
        let of = |names: &[String], is_group: bool| -> Vec<RecurringJobRef> {
            names.iter().map(|name| RecurringJobRef { name: name.clone(), is_group }).collect()
        };
        [of(&self.jobs, false), of(&self.job_groups, true)].concat()
    }
}

impl Source {
    /// `vol://<volume>` or `snap://<volume>/<snapshot>`.
    fn data_source(&self) -> String {
        match (&self.from_volume, &self.from_snapshot) {
            (Some(volume), Some(snapshot)) => format!("snap://{volume}/{snapshot}"),
            (Some(volume), None) => format!("vol://{volume}"),
            (None, _) => String::new(),
        }
    }
}
