//! The files that a rebuild writes the source's layers into.
//!
//! Large parts are written past the page cache, as all images are. Small ones go through it (`disk::cached`): nobody reads
//! a layer before the rebuild has finished, and it finishes with a sync of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::ReplicaError;
use super::directory::Directory;
use crate::disk::DiskError;
use crate::disk::cached::CachedImage;
use crate::disk::image::{Access, ImageFile};

/// Parts of this many bytes on average and more are written directly: the time for each is the disk's then.
const LARGE_PART_BYTES: u64 = 64 << 10;

/// The layers a rebuild writes to.
#[derive(Debug, Default)]
pub(super) struct RebuildTarget {
    /// Since this replica was opened: what an earlier opening left is not continued, since what it had written without
    /// syncing, and which failures of a sync it had been told of, is forgotten.
    is_begun: bool,
    /// The layers are complete and stay as they are: the head alone is filled ([`super::catch_up`]).
    is_catching_up: bool,
    /// Opened when the first data for a layer arrives, synced when the rebuild finishes.
    layers: Mutex<BTreeMap<String, Arc<FilledLayer>>>,
    /// Snapshots taken of our own head meanwhile: complete already, and never to be changed.
    frozen: BTreeSet<String>,
    /// Why a sync failed. A later one that succeeds says nothing about what was lost: only another rebuild does.
    unsynced: OnceLock<String>,
}

/// A layer that is being filled.
#[derive(Debug)]
pub(super) struct FilledLayer {
    /// Open before anything is written by `cached`, so that its sync is told of every failure.
    direct: ImageFile,
    cached: OnceLock<CachedImage>,
    path: std::path::PathBuf,
}

impl RebuildTarget {
    /// Of a rebuild that has just begun.
    pub(super) fn begun() -> Self {
        Self { is_begun: true, ..Self::default() }
    }

    /// Of a catch-up that has just begun.
    pub(super) fn catching_up() -> Self {
        Self { is_begun: true, is_catching_up: true, ..Self::default() }
    }

    pub(super) fn is_catching_up(&self) -> bool {
        self.is_catching_up
    }

    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(super) fn freeze(&mut self, image: &str) {
        self.frozen.insert(image.to_owned());
    }

    pub(super) fn is_frozen(&self, image: &str) -> bool {
        self.frozen.contains(image)
    }

    /// Makes what was copied so far durable. After a failure it never succeeds again.
    pub(super) fn sync(&self) -> Result<(), ReplicaError> {
        let layers: Vec<_> = self.lock().values().cloned().collect();
        let synced = layers.iter().try_for_each(|layer| layer.sync());
        if let Err(error) = synced {
            let _ = self.unsynced.set(error.to_string());
        }
        match self.unsynced.get() {
            None => Ok(()),
            Some(why) => Err(ReplicaError::Failed { why: format!("what was copied may be lost: {why}") }),
        }
    }

    pub(super) fn layer(&self, directory: &Directory, file_name: &str) -> Result<Arc<FilledLayer>, ReplicaError> {
        let mut layers = self.lock();
        if let Some(layer) = layers.get(file_name) {
            return Ok(Arc::clone(layer));
        }
        let path = directory.file(file_name);
        let direct = directory.open_image(file_name, Access::ReadWrite)?;
        let layer = Arc::new(FilledLayer { direct, cached: OnceLock::new(), path });
        layers.insert(file_name.to_owned(), Arc::clone(&layer));
        Ok(layer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<FilledLayer>>> {
        // A list of open files: every state of it that a panic may leave is a true one.
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FilledLayer {
    pub(super) fn direct(&self) -> &ImageFile {
        &self.direct
    }

    /// Writes the parts of the file, counted from `offset`, whose bytes are one behind the other in `data` (aligned memory).
    /// They are whole blocks.
    pub(super) fn write_parts(&self, offset: u64, parts: &[Range<u32>], data: &[u8]) -> Result<(), DiskError> {
        let mut pieces = parts.iter().scan(data, |rest, part| {
            let (piece, behind) = rest.split_at_checked(part.len())?;
            *rest = behind;
            Some((offset + u64::from(part.start), piece))
        });
        if data.len() as u64 >= LARGE_PART_BYTES * parts.len() as u64 {
            return pieces.try_for_each(|(offset, piece)| self.direct.write_blocks(offset, piece));
        }
        let cached = self.cached()?;
        pieces.try_for_each(|(offset, piece)| {
            cached.write(offset, piece)?;
            self.direct.note_written(offset, piece);
            Ok(())
        })?;
        cached.begin_write_back(offset, parts.last().map_or(0, |part| part.end.into()))
    }

    fn cached(&self) -> Result<&CachedImage, DiskError> {
        if let Some(cached) = self.cached.get() {
            return Ok(cached);
        }
        let opened = CachedImage::open(&self.path)?;
        Ok(self.cached.get_or_init(|| opened))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.direct.sync_data()?;
        if let Some(cached) = self.cached.get() {
            cached.forget();
        }
        Ok(())
    }
}
