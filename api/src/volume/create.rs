//! The wish for a new volume.

use serde::{Deserialize, Serialize};

use super::{
    AccessMode, BackupCompression, CloneMode, DataLayout, DataLocality, Frontend, Override, RecurringJobRef,
    ReplicaAutoBalance, SnapshotDataIntegrity,
};
use crate::describe::{Described, Wire};
use crate::word::Word;

/// Body of a create. What is absent, empty or 0 gets the setting's default.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "volumeCreateInput")]
pub struct VolumeCreateInput {
    pub name: String,
    /// Kubernetes quantity text or bytes.
    pub size: SizeText,
    pub number_of_replicas: u32,
    pub frontend: Word<Frontend>,
    pub access_mode: Word<AccessMode>,
    pub data_locality: Word<DataLocality>,
    /// `v1`; empty is the same.
    pub data_engine: String,
    pub data_layout: DataLayout,
    /// Minutes after which a failed replica's data is given up.
    pub stale_replica_timeout: u32,
    /// Absent follows the setting.
    pub revision_counter_disabled: Option<bool>,
    pub disk_selector: Vec<String>,
    pub node_selector: Vec<String>,
    pub replica_soft_anti_affinity: Word<Override>,
    pub replica_zone_soft_anti_affinity: Word<Override>,
    pub replica_disk_soft_anti_affinity: Word<Override>,
    pub replica_auto_balance: Word<ReplicaAutoBalance>,
    /// 0 follows the setting.
    pub rebuild_concurrent_sync_limit: u32,
    /// Megabytes a second; 0 follows the setting.
    pub replica_rebuilding_bandwidth_limit: u64,
    pub snapshot_max_count: u32,
    pub snapshot_max_size: SizeText,
    pub snapshot_data_integrity: Word<SnapshotDataIntegrity>,
    pub unmap_mark_snap_chain_removed: Word<Override>,
    pub freeze_filesystem_for_snapshot: Word<Override>,
    pub offline_rebuilding: Word<Override>,
    pub backup_compression_method: Word<BackupCompression>,
    pub backup_target_name: String,
    pub backup_block_size: SizeText,
    pub restore_volume_recurring_job: Word<Override>,
    /// Jobs and groups that the volume takes part in from the beginning.
    pub recurring_job_selector: Vec<RecurringJobRef>,
    pub encrypted: bool,
    pub migratable: bool,
    pub standby: bool,
    pub from_backup: String,
    /// Ours: the volume can be attached before its data is there, which comes on demand and in the background.
    pub instant_restore: bool,
    /// `vol://<volume>` or `snap://<volume>/<snapshot>`.
    pub data_source: String,
    pub clone_mode: Word<CloneMode>,
    pub backing_image: String,
    pub ublk_queue_depth: u32,
    pub ublk_number_of_queue: u32,
    pub nvme_tcp_nr_io_queues: u32,
}

/// A size as a client wrote it (text or number), checked later so that the message can name the field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SizeText(pub String);

impl Described for SizeText {
    const WIRE: Wire = Wire::Text;
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Integer(i64),
            Float(f64),
            Text(String),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Integer(number) => number.to_string(),
            Form::Float(number) => number.to_string(),
            Form::Text(text) => text,
        }))
    }
}
