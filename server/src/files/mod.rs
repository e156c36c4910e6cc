//! Files out of snapshots and backups: whoever looks at them, one at a time, and what they are given.
//!
//! 1. [`Files`] — how many may look at a time; [`Disk`] — what they look at;
//! 2. [`look`] — opens the file system in it and asks it something, on a thread that may wait;
//! 3. [`download`] — a file, or a folder as a tar, as the body of an answer.
//!
//! Nothing outlives who asked: when an answer is dropped, the reading ends at its next block.

pub(crate) mod download;
mod failure;

use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::backup::browse::source::{BackupSource, SnapshotSource};
use aurochs_engine::backup::browse::{BrowseError, Browser, Cancel, ReadAt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use failure::{Origin, refusal};

use crate::error::{ApiError, ErrorKind};

/// Each has a thread and up to 32 MiB of the disk in memory (of a backup 48, and some blocks on their way), and takes of what
/// the volume's replicas, or the backup target, can give.
const READERS_MAXIMUM: usize = 4;
/// A place is waited for so long: lists take a moment.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Places for those who look into file systems. Clones are the same.
#[derive(Clone, Debug)]
pub struct Files(Arc<Semaphore>);

impl Default for Files {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS_MAXIMUM)))
    }
}

/// A disk to look at, and where it comes from.
pub(crate) struct Disk {
    pub(crate) origin: Origin,
    pub(crate) content: Box<dyn ReadAt + Send>,
}

impl Disk {
    pub(crate) fn of_snapshot(content: SnapshotSource) -> Self {
        Self { origin: Origin::Snapshot, content: Box::new(content) }
    }

    pub(crate) fn of_backup(content: BackupSource) -> Self {
        Self { origin: Origin::Backup, content: Box::new(content) }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Files {
    /// Waits for a place; 429 where none comes free.
    pub(crate) async fn place(&self) -> Result<Place, ApiError> {
        let asked = Arc::clone(&self.0).acquire_owned();
        match tokio::time::timeout(PLACE_PATIENCE, asked).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _ => {
                let message = format_args!("{READERS_MAXIMUM} others are reading files out of snapshots and backups");
                let error = ApiError::new(ErrorKind::TooManyRequests, message, "Try again when a download has ended.");
                Err(error.retry_after(RETRY_AFTER))
            }
        }
    }
}

/// Ends the reading when who waits for it is gone.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(pub(crate) Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Opens the file system on a disk, and asks.
pub(crate) async fn look<T: Send + 'static>(
    place: Place,
    disk: Disk,
    partition: Option<u32>,
    ask: impl FnOnce(&Browser) -> Result<T, BrowseError> + Send + 'static,
) -> Result<T, ApiError> {
    let cancel = Cancel::default();
    let _guard = CancelOnDrop(cancel.clone());
    let Disk { origin, content } = disk;
    let looking = tokio::task::spawn_blocking(move || {
        let _place = place;
        ask(&Browser::open(content, partition, &cancel)?)
    });
    let answer = looking.await.map_err(|error| ApiError::internal("looking into a file system", error))?;
    answer.map_err(|error| refusal(&error, origin))
}
