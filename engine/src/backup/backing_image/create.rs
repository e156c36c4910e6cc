//! Backing up an image.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::record::Processing;
use super::{BLOCK_SIZE, BackingImageRecord};
use crate::backup::backup_record::{BlockEntry, BlockList};
use crate::backup::block::{Checksum, Compression};
use crate::backup::budget::{Budget, Processors};
use crate::backup::fetch;
use crate::backup::lock::{Lock, LockKind, LockTimes};
use crate::backup::store::Store;
use crate::backup::{BackupError, Progress, layout, names, store_access};

/// Memory of the blocks on their way and of the encoders, in bytes.
const MEMORY: u64 = 44 << 20;
/// A block, and what it is compressed to.
const WORKING: u64 = 2 * BLOCK_SIZE;

/// What to back up.
#[derive(Clone, Debug)]
pub struct CreateImageRequest {
    pub name: String,
    /// Nobody writes to it.
    pub file: PathBuf,
    /// SHA-512 of the file in hexadecimal, which whoever has the image knows.
    pub checksum: String,
    pub labels: BTreeMap<String, String>,
    pub compression: Compression,
    /// Blocks in work at the same time; 0: as many as this machine can use.
    pub concurrency: usize,
}

/// Backs an image up. One that is there with the same content is done already; one that died goes on, and what it stored
/// is not stored again. Dropping the future cancels it.
///
/// # Errors
/// [`BackupError::BackingImageExists`], and what stores, locks and files fail with.
pub async fn create(
    store: &Store,
    request: &CreateImageRequest,
    progress: &Progress,
) -> Result<BackingImageRecord, BackupError> {
    create_with(store, request, progress, LockTimes::default()).await
}

/// As [`create`], with other times of locks.
///
/// # Errors
/// As [`create`].
pub async fn create_with(
    store: &Store,
    request: &CreateImageRequest,
    progress: &Progress,
    times: LockTimes,
) -> Result<BackingImageRecord, BackupError> {
    names::check("backing image", &request.name)?;
    let lock = Lock::acquire(store, layout::BACKING_IMAGE_LOCKS, LockKind::Use, times).await?;
    let outcome = lock.guard(write(store, request, progress)).await;
    lock.release().await;
    outcome
}

async fn write(
    store: &Store,
    request: &CreateImageRequest,
    progress: &Progress,
) -> Result<BackingImageRecord, BackupError> {
    let before = BackingImageRecord::find(store, &request.name).await?;
    match before {
        Some(record) if record.is_in_progress() => {}
        Some(record) if record.checksum == request.checksum => {
            progress.plan(record.size);
            progress.advance(record.size);
            return Ok(record);
        }
        Some(_) => return Err(BackupError::BackingImageExists { name: request.name.clone() }),
        None => {}
    }
    let processors = Processors::for_encoding(BLOCK_SIZE);
    let path = request.file.clone();
    let (file, size, offsets) = processors.run(move || look(&path)).await??;
    let mut record = BackingImageRecord {
        name: request.name.clone(),
        size,
        checksum: request.checksum.clone(),
        labels: Some(request.labels.clone()),
        compression_method: request.compression.to_string(),
        created_time: store_access::now_text(),
        processing_blocks: Some(Processing::default()),
        ..BackingImageRecord::default()
    };
    // From here on nobody clears blocks away that no list names yet.
    record.store(store).await?;
    progress.plan(offsets.iter().map(|offset| record.block_length(*offset)).sum());
    let upload = Upload {
        store,
        request,
        progress,
        file: Arc::new(file),
        size,
        budget: Budget::new(MEMORY - processors.encoders_memory(BLOCK_SIZE)),
        processors,
        seen: Mutex::default(),
    };
    let entries: Vec<BlockEntry> = stream::iter(offsets)
        .map(|offset| upload.block(offset))
        .buffer_unordered(fetch::concurrency(request.concurrency))
        .boxed()
        .try_collect()
        .await?;
    record.block_count = entries.len() as u64;
    record.blocks =
        BlockList::new(entries).map_err(|why| BackupError::Internal { what: "listing the blocks of an image", why })?;
    record.complete_time = store_access::now_text();
    record.store(store).await?;
    Ok(record)
}

struct Upload<'call> {
    store: &'call Store,
    request: &'call CreateImageRequest,
    progress: &'call Progress,
    file: Arc<File>,
    size: u64,
    budget: Budget,
    processors: Processors,
    /// Blocks that this backup has dealt with, or is dealing with.
    seen: Mutex<HashSet<Checksum>>,
}

impl Upload<'_> {
    async fn block(&self, offset: u64) -> Result<BlockEntry, BackupError> {
        let length = (self.size - offset).min(BLOCK_SIZE);
        let _share = self.budget.take(WORKING).await?;
        let (file, path) = (Arc::clone(&self.file), self.request.file.clone());
        let read = move || -> Result<_, BackupError> {
            let mut data = vec![0; length as usize];
            file.read_exact_at(&mut data, offset).map_err(|error| unreadable(&path, &error))?;
            Ok((Checksum::of(&data), Bytes::from(data)))
        };
        let (checksum, data) = self.processors.run(read).await??;
        let is_first = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(checksum);
        if is_first {
            let path = format!("{}/{}", layout::BACKING_IMAGE_BLOCKS, layout::block_below(&checksum));
            let compression = self.request.compression;
            // A file that a power cut left empty or short is stored again, as far as its size tells.
            let is_usable = |size: u64| if compression == Compression::None { size == length } else { size > 0 };
            if !self.store.facts(&path).await?.is_some_and(|entry| is_usable(entry.size)) {
                let encoded = self.processors.encode(compression, vec![data]).await?;
                self.store.write(&path, encoded.into()).await?;
            }
        }
        self.progress.advance(length);
        Ok(BlockEntry { offset, checksum })
    }
}

/// The file, its size, and the offsets of its blocks with data. Blocks.
fn look(path: &Path) -> Result<(File, u64, Vec<u64>), BackupError> {
    use nix::errno::Errno;
    use nix::unistd::{Whence, lseek};
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let size = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let seek = |at: u64, whence: Whence| lseek(&file, i64::try_from(at).unwrap_or(i64::MAX), whence);
    let mut offsets = Vec::new();
    let mut at = 0;
    while at < size {
        let (start, end) = match seek(at, Whence::SeekData) {
            Ok(start) => {
                let start = start as u64;
                let end = seek(start, Whence::SeekHole).map_err(|errno| unreadable(path, &errno.into()))?;
                (start, end as u64)
            }
            Err(Errno::ENXIO) => break,
            // A file system that does not know its holes has none.
            Err(Errno::EINVAL) => (at, size),
            Err(errno) => return Err(unreadable(path, &errno.into())),
        };
        let first = start / BLOCK_SIZE * BLOCK_SIZE;
        let end = end.min(size).next_multiple_of(BLOCK_SIZE);
        offsets.extend((first..end).step_by(BLOCK_SIZE as usize).filter(|offset| *offset >= at && *offset < size));
        at = end;
    }
    Ok((file, size, offsets))
}

fn unreadable(path: &Path, error: &std::io::Error) -> BackupError {
    BackupError::Unreadable { path: path.display().to_string(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_data_are_told_once_each_and_holes_are_not() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = scratch.path().join("image");
        let file = File::create(&path).unwrap();
        file.set_len(5 * BLOCK_SIZE + 512).unwrap();
        for at in [4096, BLOCK_SIZE - 4096, 3 * BLOCK_SIZE + 65536, 5 * BLOCK_SIZE] {
            file.write_all_at(b"data", at).unwrap();
        }
        let (_, size, offsets) = look(&path).unwrap();
        assert_eq!((size, offsets), (5 * BLOCK_SIZE + 512, vec![0, 3 * BLOCK_SIZE, 5 * BLOCK_SIZE]));
    }
}
