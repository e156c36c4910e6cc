//! Snapshots of a volume, in the engine's view (`snapshot*` actions).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;
use crate::size::ByteSize;

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
