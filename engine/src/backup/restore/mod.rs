//! Writing a backup into a volume (formats.md §12).
//!
//! | file | holds |
//! |---|---|
//! | `steps` | what has to be looked at: all blocks, or the difference to the backup that is there |
//! | `place` | one of them: read, compared, fetched, written |

mod place;
mod steps;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt, TryStreamExt, stream};

use self::place::Places;
use self::steps::{Before, Step, steps};
use super::backup_record::BackupRecord;
use super::fetch::{self, Fetcher};
use super::lock::{Lock, LockKind, LockTimes};
use super::sink::BlockSink;
use super::store::Store;
use super::volume_record::VolumeRecord;
use super::{BackupError, Progress, names};

/// What to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    pub volume: String,
    pub backup: String,
    /// When that backup was complete, as its record told when somebody looked. Nothing is restored where the name was
    /// given to another one since. Empty: whichever has the name now.
    pub created: String,
    /// What the sink holds, if that is not nothing, and not parts of this very backup.
    pub previous: Option<Held>,
    /// The sink reads as zeros everywhere, so nothing is read from it. Never true for a restore that goes on after it
    /// was interrupted, or for a volume with a backing image.
    pub sink_is_empty: bool,
    /// Blocks in work at the same time, as far as memory allows; 0: as many as this machine can use.
    pub concurrency: usize,
}

/// What a sink holds before a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// This backup of the same volume, wholly and unchanged: only what differs from it is looked at. Where it is gone
    /// meanwhile, has blocks of another size, or is not surely the one that is in the store, everything is compared.
    pub backup: String,
    /// When it was complete, as its record told then. Names are used again: one without a time may be any of that name.
    pub created: String,
    /// Bytes of the sink. There may be more than the volume has now, where that was deleted and made again.
    pub size: u64,
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

/// Writes a backup into a volume. Dropping the future cancels it; the next call with the same request goes on.
///
/// Invariant: **every byte written was checked against the checksum that the backup's record names**, and when this
/// returns, every byte of the volume is the backup's. Tests: `tests/backups/restores.rs`.
///
/// # Errors
/// [`BackupError`]; the volume holds parts of the backup then, and must not be used.
pub async fn restore(
    store: &Store,
    request: &RestoreRequest,
    sink: &dyn BlockSink,
    progress: &Progress,
) -> Result<Restored, BackupError> {
    restore_with(store, request, sink, progress, LockTimes::default()).await
}

/// As [`restore`], with other times of locks.
///
/// # Errors
/// As [`restore`].
pub async fn restore_with(
    store: &Store,
    request: &RestoreRequest,
    sink: &dyn BlockSink,
    progress: &Progress,
    times: LockTimes,
) -> Result<Restored, BackupError> {
    names::check("volume", &request.volume)?;
    names::check("backup", &request.backup)?;
    // A volume or backup that is not there gets no lock. And getting one takes seconds, in which people can see already
    // how much there is to do.
    Work::load(store, request).await?.tell(progress);
    let lock = Lock::acquire(store, &request.volume, LockKind::Use, times).await?;
    let outcome = lock.guard(fill(store, request, sink, progress)).await;
    lock.release().await;
    outcome
}

/// What a restore has to do, as the records tell it.
struct Work {
    /// Bytes of the volume.
    size: u64,
    record: BackupRecord,
    block_size: u64,
    /// The backup that the sink holds, if a difference to it can be told.
    previous: Option<BackupRecord>,
    sink_holds_something: bool,
    /// Bytes that are looked at: the volume's, or more where the sink has more and holds something.
    reach: u64,
}

impl Work {
    async fn load(store: &Store, request: &RestoreRequest) -> Result<Self, BackupError> {
        let size = VolumeRecord::load(store, &request.volume).await?.size;
        let record = BackupRecord::load_complete(store, &request.volume, &request.backup).await?;
        if !request.created.is_empty() && record.created_time != request.created {
            return Err(BackupError::Replaced { backup: request.backup.clone() });
        }
        record.check_within(size)?;
        let block_size = record.block_size()?;
        let previous = find_previous(store, request, block_size).await?;
        let reach = request.previous.as_ref().map_or(size, |held| held.size.max(size));
        Ok(Self { size, record, block_size, previous, sink_holds_something: request.previous.is_some(), reach })
    }

    fn steps(&self) -> Box<dyn Iterator<Item = Step> + Send + '_> {
        let before = match &self.previous {
            Some(previous) => Before::Backup(previous.blocks.entries()),
            None if self.sink_holds_something => Before::Anything { size: self.reach, block_size: self.block_size },
            None => Before::Nothing,
        };
        steps(self.record.blocks.entries(), before)
    }

    fn tell(&self, progress: &Progress) {
        progress.plan(self.steps().count() as u64 * self.block_size);
    }
}

/// All of it, under the lock.
async fn fill(
    store: &Store,
    request: &RestoreRequest,
    sink: &dyn BlockSink,
    progress: &Progress,
) -> Result<Restored, BackupError> {
    let work = Work::load(store, request).await?;
    work.tell(progress);
    let places = Places {
        fetcher: Fetcher::new(store, &request.volume, work.record.compression()?),
        sink,
        sink_is_empty: request.sink_is_empty && request.previous.is_none(),
        block_size: work.block_size,
        size: work.reach,
        progress,
        zeros: OnceLock::new(),
        fetched: AtomicU64::default(),
        kept: AtomicU64::default(),
        zeroed: AtomicU64::default(),
    };
    stream::iter(work.steps())
        .map(|step| places.do_step(step))
        .buffer_unordered(fetch::concurrency(request.concurrency))
        .boxed()
        .try_collect::<()>()
        .await?;
    sink.flush().await.map_err(BackupError::Sink)?;
    Ok(Restored {
        backup: request.backup.clone(),
        size: work.size,
        is_incremental: work.previous.is_some(),
        fetched_bytes: places.fetched.load(Ordering::Relaxed),
        kept_bytes: places.kept.load(Ordering::Relaxed),
        zeroed_bytes: places.zeroed.load(Ordering::Relaxed),
    })
}

/// The record of the backup that the volume holds, if what differs from it can be told.
async fn find_previous(
    store: &Store,
    request: &RestoreRequest,
    block_size: u64,
) -> Result<Option<BackupRecord>, BackupError> {
    let Some(held) = request.previous.as_ref().filter(|held| names::is_valid(&held.backup)) else { return Ok(None) };
    match BackupRecord::load_complete(store, &request.volume, &held.backup).await {
        Ok(record) if record.created_time != held.created => {
            let (volume, previous) = (&request.volume, &held.backup);
            tracing::info!(volume, previous, "the backup restored before may be another one: everything is compared");
            Ok(None)
        }
        Ok(record) => Ok(Some(record).filter(|record| record.block_size().is_ok_and(|size| size == block_size))),
        Err(BackupError::Store(error)) => Err(error.into()),
        Err(error) => {
            let (volume, previous) = (&request.volume, &held.backup);
            tracing::info!(volume, previous, %error, "the backup restored before is gone: everything is compared");
            Ok(None)
        }
    }
}
