//! Writes into an image through the kernel's page cache, for many small parts of a file that nobody reads meanwhile.
//!
//! A direct write of a block into a hole waits for the file system to find a place, for the disk, and for the file system
//! to take down that the block is written: one after the other for every block. From the page cache the kernel writes out
//! many blocks at once. Blocks with holes between them, on ext4, take a third of the time so, and holes stay holes.
//!
//! Nothing is durable, and no failure of the disk is told, before a sync of the file. Whoever syncs must have opened the
//! file before the first write: the kernel tells an open file of failures since its opening.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;

use super::{DiskError, fault};
use crate::sys::write_back;

/// So many bytes of a file may stay in the cache, for they will not be read from there.
const KEPT_BYTES: u64 = 32 << 20;

/// An image that is open for writing through the page cache.
#[derive(Debug)]
pub(crate) struct CachedImage {
    file: File,
    path: PathBuf,
    /// Written since the cache was last emptied.
    written: AtomicU64,
}

impl CachedImage {
    pub(crate) fn open(path: &Path) -> Result<Self, DiskError> {
        let opened = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path);
        let file = opened.map_err(DiskError::at("open", path))?;
        Ok(Self { file, path: path.to_path_buf(), written: AtomicU64::new(0) })
    }

    /// Writes all of `data` at `offset`.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        let written = fault::check("write", &self.path).and_then(|()| self.file.write_all_at(data, offset));
        written.map_err(DiskError::at("write", &self.path))?;
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Lets the disk begin with a range that was written. The cache lets go of what the disk has.
    pub(crate) fn begin_write_back(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        write_back::begin(&self.file, offset, length).map_err(DiskError::at("begin to write out", &self.path))?;
        if self.written.load(Ordering::Relaxed) >= KEPT_BYTES {
            self.written.store(0, Ordering::Relaxed);
            self.forget();
        }
        Ok(())
    }

    /// Gives up the memory of what the disk has.
    pub(crate) fn forget(&self) {
        // A request to the kernel, which may not follow it.
        let _ = posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
}
