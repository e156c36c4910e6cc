//! Writing a backup into a volume (formats.md §12).

/// What to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    pub volume: String,
    pub backup: String,
    /// The backup that the sink holds, wholly and unchanged: only what differs from it is looked at. Where that backup
    /// is gone meanwhile, or has blocks of another size, everything is compared.
    pub previous: Option<String>,
    /// The sink reads as zeros everywhere, so nothing is read from it. Never true for a restore that goes on after it
    /// was interrupted, or for a volume with a backing image.
    pub sink_is_empty: bool,
    /// Blocks in work at the same time, as far as memory allows; 0: as many as this machine can use.
    pub concurrency: usize,
}

/// What a restore did. The sink is flushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub backup: String,
    /// Bytes of the volume that the backup volume's record tells.
    pub size: u64,
    /// Only the difference to `previous` was looked at.
    pub is_incremental: bool,
    /// Uncompressed bytes that came from the store.
    pub fetched_bytes: u64,
    /// Bytes that were there already.
    pub kept_bytes: u64,
    /// Bytes that no block covers any more, made zeros.
    pub zeroed_bytes: u64,
}
