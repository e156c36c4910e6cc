//! A backup as an image file: raw or qcow2, alone or over the image that its volume stands on.
//!
//! With a backing file, the listed blocks are laid over it, **zeros included**. (Longhorn's own `restore-to-file` loses
//! long runs of zeros there, and the backing file's data comes back.) Test: `tests/backup_store/golden.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::backup_record::{BackupRecord, BlockEntry};
use super::fetch::{Fetched, Fetcher};
use super::lock::{Lock, LockKind, LockTimes};
use super::store::Store;
use super::target::ErrorKind;
use super::volume_record::VolumeRecord;
use super::{BackupError, Progress, names};
use crate::backing::BackingFile;
use crate::disk::BLOCK_SIZE;
use crate::image_format::{self, ExportError, ExportOptions, Exported, Format, ImageSource, SourceError};

/// What to write, and where.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    pub volume: String,
    pub backup: String,
    /// The file.
    pub output: PathBuf,
    pub format: Format,
    /// Replace a file that has the name already.
    pub overwrite: bool,
    /// Compute the SHA-256 of the content, zeros included.
    pub checksum: bool,
    /// The image that the volume stands on.
    pub backing_file: Option<PathBuf>,
}

/// Writes a backup to an image file, which is complete or not there at all. Dropping the future cancels it.
///
/// # Errors
/// [`BackupError`].
pub async fn restore_to_file(
    store: &Store,
    request: &ImageRequest,
    progress: &Progress,
) -> Result<Exported, BackupError> {
    restore_to_file_with(store, request, progress, LockTimes::default()).await
}

/// As [`restore_to_file`], with other times of locks.
///
/// # Errors
/// As [`restore_to_file`].
pub async fn restore_to_file_with(
    store: &Store,
    request: &ImageRequest,
    progress: &Progress,
    times: LockTimes,
) -> Result<Exported, BackupError> {
    names::check("volume", &request.volume)?;
    names::check("backup", &request.backup)?;
    VolumeRecord::load(store, &request.volume).await?;
    BackupRecord::load_complete(store, &request.volume, &request.backup).await?;
    match Lock::acquire(store, &request.volume, LockKind::Use, times).await {
        Ok(lock) => {
            let outcome = lock.guard(write(store, request, progress)).await;
            lock.release().await;
            outcome
        }
        // Whoever may only read still gets the data. A deletion meanwhile would be noticed as a missing block.
        Err(BackupError::Store(error)) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NoSpace) => {
            write(store, request, progress).await
        }
        Err(error) => Err(error),
    }
}

async fn write(store: &Store, request: &ImageRequest, progress: &Progress) -> Result<Exported, BackupError> {
    let size = VolumeRecord::load(store, &request.volume).await?.size;
    let record = BackupRecord::load_complete(store, &request.volume, &request.backup).await?;
    record.check_within(size)?;
    let backing = match request.backing_file.clone() {
        Some(path) => Some(open_backing(path, size).await?),
        None => None,
    };
    let mut image = BackupImage::start(store, &request.volume, record, size, backing)?;
    let cancel = CancelOnDrop::default();
    let (cancelled, progress, request) = (Arc::clone(&cancel.0), progress.clone(), request.clone());
    let export = tokio::task::spawn_blocking(move || {
        let options = ExportOptions {
            format: request.format,
            overwrite: request.overwrite,
            checksum: request.checksum,
            cancel: Some(&cancelled),
        };
        let mut told = 0;
        let mut tell = |done: u64, planned: u64| {
            if progress.now().planned != planned {
                progress.plan(planned);
                told = 0;
            }
            progress.advance(done - told);
            told = done;
        };
        image_format::export(&mut image, &request.output, &options, &mut tell)
    });
    let exported =
        export.await.map_err(|error| BackupError::Internal { what: "writing an image", why: error.to_string() })?;
    exported.map_err(|error| match error {
        // What the source says is ours.
        ExportError::Source(error) => match error.downcast::<BackupError>() {
            Ok(error) => *error,
            Err(error) => ExportError::Source(error).into(),
        },
        error => error.into(),
    })
}

async fn open_backing(path: PathBuf, size: u64) -> Result<BackingFile, BackupError> {
    let opened = tokio::task::spawn_blocking(move || BackingFile::open(Path::new(&path), size)).await;
    let internal = |error: tokio::task::JoinError| BackupError::Internal {
        what: "opening a backing file",
        why: error.to_string(),
    };
    Ok(opened.map_err(internal)??)
}

/// Ends an export whose caller went away.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A backup, read once from its start to its end. Blocks are fetched ahead, several at a time.
struct BackupImage {
    size: u64,
    block_size: u64,
    blocks: Arc<[BlockEntry]>,
    backing: Option<BackingFile>,
    /// The blocks in the order of the list. Ends early where nobody listens any more.
    queue: mpsc::Receiver<Result<Fetched, BackupError>>,
    /// Blocks that came out of the queue.
    taken: usize,
    /// The last of them.
    current: Option<Fetched>,
}

impl BackupImage {
    fn start(
        store: &Store,
        volume: &str,
        record: BackupRecord,
        size: u64,
        backing: Option<BackingFile>,
    ) -> Result<Self, BackupError> {
        let block_size = record.block_size()?;
        let fetcher = Fetcher::new(store, volume, record.compression()?);
        let blocks: Arc<[BlockEntry]> = record.blocks.entries().into();
        let (sender, queue) = mpsc::channel(1);
        let wanted = Arc::clone(&blocks);
        tokio::spawn(async move {
            let count = wanted.len();
            let fetches = stream::iter(0..count).map(|index| fetcher.fetch(wanted[index].checksum, block_size));
            let mut fetches = std::pin::pin!(fetches.buffered(Fetcher::in_order(block_size)));
            while let Some(fetched) = fetches.next().await {
                if sender.send(fetched).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { size, block_size, blocks, backing, queue, taken: 0, current: None })
    }

    /// The content of block `index` of the list. Blocks are asked for in order.
    fn block(&mut self, index: usize) -> Result<&Bytes, SourceError> {
        while self.taken <= index {
            self.current = None;
            let fetched = self.queue.blocking_recv().ok_or("the blocks stopped coming")?;
            self.current = Some(fetched?);
            self.taken += 1;
        }
        match &self.current {
            Some(fetched) if self.taken == index + 1 => Ok(&fetched.content),
            _ => Err("a block was asked for again".into()),
        }
    }

    /// Where the backing file ends.
    fn backed(&self) -> u64 {
        self.backing.as_ref().map_or(0, |backing| (backing.blocks() * BLOCK_SIZE).min(self.size))
    }
}

impl ImageSource for BackupImage {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_data(&mut self, from: u64) -> Result<Option<(u64, u64)>, SourceError> {
        let backed = self.backed();
        if from < backed {
            return Ok(Some((from, backed - from)));
        }
        let index = self.blocks.partition_point(|entry| entry.offset + self.block_size <= from);
        let Some(first) = self.blocks.get(index) else { return Ok(None) };
        let start = first.offset.max(from);
        let mut end = first.offset + self.block_size;
        for entry in &self.blocks[index + 1..] {
            if entry.offset != end {
                break;
            }
            end += self.block_size;
        }
        Ok(Some((start, end.min(self.size) - start)))
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let end = offset + buffer.len() as u64;
        match &self.backing {
            Some(backing) if offset < self.backed() => backing.read_blocks(offset, buffer)?,
            _ => buffer.fill(0),
        }
        let mut index = self.blocks.partition_point(|entry| entry.offset + self.block_size <= offset);
        while let Some(entry) = self.blocks.get(index).copied().filter(|entry| entry.offset < end) {
            let content = self.block(index)?;
            let (from, to) = (entry.offset.max(offset), (entry.offset + content.len() as u64).min(end));
            buffer[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&content[(from - entry.offset) as usize..(to - entry.offset) as usize]);
            index += 1;
        }
        Ok(())
    }
}
