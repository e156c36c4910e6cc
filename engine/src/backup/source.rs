//! Where the data of a backup comes from.

use bytes::Bytes;
use futures::future::BoxFuture;
use time::OffsetDateTime;

/// What a source says when it cannot be read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Offset and length in bytes, each.
pub type Ranges = Vec<(u64, u64)>;

/// A snapshot that was backed up before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub snapshot: String,
    /// When its backup was started, by the clock of whoever made it. A snapshot of that name that was taken later is
    /// another one: what changed since it says nothing about what changed since the backup.
    pub backed_up_at: Option<OffsetDateTime>,
}

/// One snapshot of one volume, whose content never changes.
pub trait BlockSource: Send + Sync {
    /// Bytes of the volume when the snapshot was taken.
    fn size(&self) -> u64;

    /// When it was taken, by the clock of whoever took it; `None` where nobody knows. A backup that was begun before was
    /// made of another snapshot, whatever its name.
    fn taken_at(&self) -> Option<OffsetDateTime> {
        None
    }

    /// Sorted ranges `(offset, length)` in bytes of data at or after `from`, that do not overlap: as many as the source
    /// likes to tell at a time, and none only where none is left. To go on, it is asked from the end of the last one.
    ///
    /// Without a base, data is what any layer of the volume's own holds, allocated zeros included and the backing image
    /// excluded. With one, only what a layer newer than the base holds. `None`: the base is not an ancestor of this
    /// snapshot (any more), so nobody can tell what changed since.
    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Ranges>, SourceError>>;

    /// `length` bytes from `offset` on as a reader of the snapshot sees them, the backing image included. Never past
    /// the snapshot's size. Offset and length are multiples of 4096, unless the snapshot ends there. Several reads run
    /// at the same time.
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>>;
}
