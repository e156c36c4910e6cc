//! Snapshot: a layer of a volume. A resource asks for it, or was made for one that the engine has.

use std::collections::BTreeMap;

use aurochs_api::describe::Described;
use aurochs_api::size::{ByteSize, as_number};
use serde::{Deserialize, Serialize};

use super::Kind;

/// Label of a layer in the engine: uid of the resource that it was taken for. People do not see it.
pub const LABEL_TAKEN_FOR: &str = "aurochs.io/snapshot-uid";
/// Annotation of a resource: name of the layer that it was made for, where that is not its own.
pub const ANNOTATION_LAYER: &str = "aurochs.io/layer";

/// A layer's labels as people see them.
#[must_use]
pub fn visible_labels(labels: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut labels = labels.cloned().unwrap_or_default();
    labels.remove(LABEL_TAKEN_FOR);
    labels
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot;

impl Kind for Snapshot {
    const KIND: &'static str = "Snapshot";
    const PLURAL: &'static str = "snapshots";
    const FINALIZED: bool = true;
    type Spec = SnapshotSpec;
    type Status = SnapshotStatus;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotSpec {
    pub volume: String,
    /// True when this resource asked for the snapshot; false when the engine made it and it was mirrored.
    pub create_snapshot: bool,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
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
    #[schema(wire = "integer")]
    pub size: ByteSize,
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub restore_size: ByteSize,
    pub labels: BTreeMap<String, String>,
    /// CRC-64 of the snapshot's file, the same on all replicas; empty while it is not known.
    pub checksum: String,
    /// When the files were last compared with it.
    pub checksum_calculated_at: String,
    /// When the snapshot was first asked of the engine.
    pub requested_time: String,
    /// Why it can't be used, was not taken yet, or can't go yet; empty when all is well.
    pub error: String,
}
