//! An image out of a target, in order.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::BackingImageRecord;
use crate::backup::backup_record::BlockEntry;
use crate::backup::fetch::Fetcher;
use crate::backup::lock::{Lock, LockKind, LockTimes};
use crate::backup::store::Store;
use crate::backup::target::ErrorKind;
use crate::backup::{BackupError, layout, names};

/// A part of the file. What no part covers is zeros.
#[derive(Clone, Debug)]
pub struct ImageBlock {
    /// Bytes.
    pub offset: u64,
    pub data: Bytes,
}

/// Fetches the blocks of an image, each checked, in the order of their offsets. Ends without an error where nobody takes
/// them any more. Dropping the future cancels it.
///
/// # Errors
/// [`BackupError::NoBackingImage`], [`BackupError::BackingImageInProgress`], a block that is missing or damaged, and what
/// stores and locks fail with.
pub async fn restore(
    store: &Store,
    record: &BackingImageRecord,
    blocks: mpsc::Sender<ImageBlock>,
) -> Result<(), BackupError> {
    restore_with(store, record, blocks, LockTimes::default()).await
}

/// As [`restore`], with other times of locks.
///
/// # Errors
/// As [`restore`].
pub async fn restore_with(
    store: &Store,
    record: &BackingImageRecord,
    blocks: mpsc::Sender<ImageBlock>,
    times: LockTimes,
) -> Result<(), BackupError> {
    names::check("backing image", &record.name)?;
    match Lock::acquire(store, layout::BACKING_IMAGE_LOCKS, LockKind::Use, times).await {
        Ok(lock) => {
            let outcome = lock.guard(fetch(store, record, blocks)).await;
            lock.release().await;
            outcome
        }
        // Whoever may only read still gets the data. A deletion meanwhile would be noticed as a missing block.
        Err(BackupError::Store(error)) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NoSpace) => {
            fetch(store, record, blocks).await
        }
        Err(error) => Err(error),
    }
}

async fn fetch(
    store: &Store,
    record: &BackingImageRecord,
    blocks: mpsc::Sender<ImageBlock>,
) -> Result<(), BackupError> {
    let directory = layout::BACKING_IMAGE_BLOCKS.to_owned();
    let fetcher = Fetcher::at(store, &record.name, directory, record.compression()?);
    let wanted: Arc<[BlockEntry]> = record.blocks.entries().into();
    let fetches = stream::iter(wanted.iter().copied()).map(|entry| {
        let (fetcher, length) = (fetcher.clone(), record.block_length(entry.offset));
        async move { (entry.offset, fetcher.fetch(entry.checksum, length).await) }
    });
    let mut fetches = std::pin::pin!(fetches.buffered(Fetcher::in_order(super::BLOCK_SIZE)));
    while let Some((offset, fetched)) = fetches.next().await {
        let fetched = fetched?;
        if blocks.send(ImageBlock { offset, data: fetched.content.clone() }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
