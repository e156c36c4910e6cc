//! Backing up one snapshot of a volume (formats.md §12).

use std::collections::BTreeMap;

use super::block::Compression;

/// Longhorn's default, in bytes.
pub const DEFAULT_BLOCK_SIZE: u64 = 2 << 20;

/// What to read again, and what to store again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What changed since the last backup, if that can be told; blocks that are there already are not stored again.
    #[default]
    Incremental,
    /// Everything, stored again even where it is there: heals blocks that the store lost or damaged.
    Full,
}

/// What to back up, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// Name of the backup volume: that of the volume.
    pub volume: String,
    /// Name of the backup. One that died goes on under its name.
    pub backup: String,
    /// Name of the snapshot that the source reads.
    pub snapshot: String,
    /// Bytes of the volume now: what a restore makes. A multiple of `block_size`.
    pub size: u64,
    pub labels: BTreeMap<String, String>,
    /// For the first backup of a volume; later ones are compressed as that was.
    pub compression: Compression,
    /// Bytes; whole MiB, at most 64 MiB. [`DEFAULT_BLOCK_SIZE`] unless there is a reason.
    pub block_size: u64,
    pub mode: Mode,
    /// Name and checksum of the image under the volume; empty for none.
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    /// Empty where it is not known.
    pub storage_class: String,
    /// Blocks in work at the same time, as far as memory allows; 0: as many as this machine can use.
    pub concurrency: usize,
}

/// A backup that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub backup: String,
    pub is_incremental: bool,
    /// Bytes of all blocks in its list: what a restore of it writes.
    pub size: u64,
    /// Bytes that were read, in whole blocks.
    pub read_bytes: u64,
    /// Blocks, and compressed bytes, that were not there.
    pub new_blocks: u64,
    pub newly_uploaded_bytes: u64,
    /// Compressed bytes that were stored again, in full mode or because what was there could not be right.
    pub reuploaded_bytes: u64,
    /// RFC 3339, UTC: when it was started, which orders backups.
    pub snapshot_created_at: String,
    /// RFC 3339, UTC: when it was complete.
    pub created: String,
}
