//! Snapshots of a volume as resources (`snapshotCR*` actions): they are there while the volume is detached, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;
use crate::size::{ByteSize, as_number};

/// Sizes are numbers here, where [`crate::snapshot::Snapshot`] has texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "snapshotCR")]
pub struct SnapshotCr {
    pub name: String,
    /// When the resource was made.
    pub cr_creation_time: String,
    pub volume: String,
    /// Whether this resource asked for the snapshot, or was made after it.
    pub create_snapshot: bool,
    pub labels: BTreeMap<String, String>,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    /// Name of the snapshot below, empty for the oldest.
    pub parent: String,
    #[schema(as = "map[bool]")]
    pub children: BTreeMap<String, bool>,
    pub mark_removed: bool,
    pub user_created: bool,
    /// When the snapshot was taken.
    pub creation_time: String,
    pub ready_to_use: bool,
    /// Bytes that this layer alone holds.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    /// Size of the volume at that time.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub restore_size: ByteSize,
    pub checksum: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Body of `snapshotCRCreate`, `snapshotCRGet` and `snapshotCRDelete`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
#[schema(id = "snapshotCRInput")]
pub struct SnapshotCrInput {
    /// Empty at creation: one is chosen.
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

/// Known to `/v1/schemas` alone: what is sent is a collection.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(default)]
#[schema(id = "snapshotCRListOutput")]
pub struct SnapshotCrListOutput {
    pub data: Vec<SnapshotCr>,
}
