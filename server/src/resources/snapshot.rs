//! Snapshot: a layer of a volume, mirrored from its engine.

use std::collections::BTreeMap;

use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot;

impl Kind for Snapshot {
    const KIND: &'static str = "Snapshot";
    const PLURAL: &'static str = "snapshots";
    const FINALIZED: bool = true;
    type Spec = SnapshotSpec;
    type Status = SnapshotStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotSpec {
    pub volume: String,
    /// True when this resource asked for the snapshot; false when the engine made it and it was mirrored.
    pub create_snapshot: bool,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotStatus {
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    pub parent: String,
    pub children: BTreeMap<String, bool>,
    pub mark_removed: bool,
    pub user_created: bool,
    pub ready_to_use: bool,
    pub creation_time: String,
    #[serde(with = "as_number")]
    pub size: ByteSize,
    #[serde(with = "as_number")]
    pub restore_size: ByteSize,
    pub labels: BTreeMap<String, String>,
    pub checksum: String,
    pub error: String,
}
