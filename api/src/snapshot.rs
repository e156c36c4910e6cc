//! Snapshots of a volume: as the engine sees them (`snapshot*` actions), and as resources that also a detached volume has
//! (`snapshotCR*`). The two spell some fields differently; clients count on both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::describe::Described;
use crate::size::{ByteSize, as_number};

/// One layer of a volume; `volume-head` is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub name: String,
    /// Name of the snapshot below, empty for the oldest.
    pub parent: String,
    #[schema(as = "map[bool]")]
    pub children: BTreeMap<String, bool>,
    pub removed: bool,
    /// Lower-case on the wire, as Longhorn has it.
    pub usercreated: bool,
    /// RFC 3339, UTC.
    pub created: String,
    /// Bytes that this layer alone holds.
    pub size: ByteSize,
    pub labels: Option<BTreeMap<String, String>>,
    pub checksum: String,
    /// Ours: its file is lost, so that it can't be read; what lies below is kept until it is back or removed.
    #[serde(rename = "imageMissing", skip_serializing_if = "std::ops::Not::not")]
    #[schema(ours)]
    pub image_missing: bool,
}

/// Body of `snapshotCreate`, `snapshotGet`, `snapshotDelete` and `snapshotRevert`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotInput {
    /// Empty at creation: a UUID is chosen.
    pub name: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub backup_mode: String,
}

/// What the schema of `snapshotList` names; the answer itself is a plain collection.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotListOutput {
    pub data: Vec<Snapshot>,
}

/// A snapshot as a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "snapshotCR")]
pub struct SnapshotCr {
    pub name: String,
    pub volume: String,
    /// When the resource was made, RFC 3339.
    pub cr_creation_time: String,
    /// Whether it asks for a snapshot that is to be taken; those that the engine has anyway don't.
    pub create_snapshot: bool,
    #[serde(rename = "ownerID")]
    pub owner_id: String,
    /// Name of the snapshot below, empty for the oldest.
    pub parent: String,
    #[schema(as = "map[bool]")]
    pub children: BTreeMap<String, bool>,
    pub mark_removed: bool,
    pub user_created: bool,
    /// When it was taken, RFC 3339; empty until then.
    pub creation_time: String,
    pub ready_to_use: bool,
    /// Size of a volume made of it.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub restore_size: ByteSize,
    /// Bytes that this layer alone holds.
    #[serde(with = "as_number")]
    #[schema(wire = "integer")]
    pub size: ByteSize,
    /// Those that were asked for, otherwise those that the engine has.
    pub labels: BTreeMap<String, String>,
    pub checksum: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Ours: why it was not taken yet, can't be used, or can't go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(ours)]
    pub causes: Vec<Cause>,
}

/// Body of `snapshotCRCreate`, `snapshotCRGet` and `snapshotCRDelete`.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "snapshotCRInput")]
pub struct SnapshotCrInput {
    /// Empty at creation: one is chosen.
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

/// What the schema of `snapshotCRList` names; the answer itself is a plain collection.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(default)]
#[schema(id = "snapshotCRListOutput")]
pub struct SnapshotCrListOutput {
    pub data: Vec<SnapshotCr>,
}
