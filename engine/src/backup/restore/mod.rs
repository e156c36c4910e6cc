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
use self::steps::{Before, steps};
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

/// Writes a backup into a volume. Dropping the future cancels it; the next call with the same request goes on.
///
/// Invariant: **every byte written was checked against the checksum that the backup's record names**, and when this
/// returns, every byte of the volume is the backup's. Tests: `tests/backup_store/restores.rs`.
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
    // A volume that is not there gets no lock, and with it a directory.
    VolumeRecord::load(store, &request.volume).await?;
    let lock = Lock::acquire(store, &request.volume, LockKind::Use, times).await?;
    let outcome = lock.guard(fill(store, request, sink, progress)).await;
    lock.release().await;
    outcome
}

/// All of it, under the lock.
async fn fill(
    store: &Store,
    request: &RestoreRequest,
    sink: &dyn BlockSink,
    progress: &Progress,
) -> Result<Restored, BackupError> {
    let size = VolumeRecord::load(store, &request.volume).await?.size;
    let record = BackupRecord::load_complete(store, &request.volume, &request.backup).await?;
    record.check_within(size)?;
    let block_size = record.block_size()?;
    let previous = find_previous(store, request, block_size).await?;
    let before = match (&request.previous, &previous) {
        (None, _) => Before::Nothing,
        (Some(_), Some(previous)) => Before::Backup(previous.blocks.entries()),
        (Some(_), None) => Before::Anything { size, block_size },
    };
    let list = record.blocks.entries();
    progress.plan(steps(list, before).count() as u64 * block_size);
    let places = Places {
        fetcher: Fetcher::new(store, &request.volume, record.compression()?),
        sink,
        sink_is_empty: request.sink_is_empty && request.previous.is_none(),
        block_size,
        size,
        progress,
        zeros: OnceLock::new(),
        fetched: AtomicU64::default(),
        kept: AtomicU64::default(),
        zeroed: AtomicU64::default(),
    };
    stream::iter(steps(list, before))
        .map(|step| places.do_step(step))
        .buffer_unordered(fetch::concurrency(request.concurrency))
        .try_collect::<()>()
        .await?;
    sink.flush().await.map_err(BackupError::Sink)?;
    Ok(Restored {
        backup: request.backup.clone(),
        size,
        is_incremental: previous.is_some(),
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
    let Some(previous) = request.previous.as_deref().filter(|name| names::is_valid(name)) else { return Ok(None) };
    match BackupRecord::load_complete(store, &request.volume, previous).await {
        Ok(record) => Ok(Some(record).filter(|record| record.block_size().is_ok_and(|size| size == block_size))),
        Err(BackupError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::info!(volume = request.volume, previous, %error, "the backup restored before is gone: everything is compared");
            Ok(None)
        }
    }
}
