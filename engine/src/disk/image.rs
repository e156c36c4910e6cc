//! One image file of a replica, read and written past the page cache.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;

use super::sums::{BadBlock, Sums};
use super::{AlignedBuf, BLOCK_SIZE, fault};
use crate::sys::fiemap::{self, Extent};

/// How long an open waits for writes of a process that has ended. An engine's HELLO may take a little longer.
const LATE_WRITES: Duration = Duration::from_secs(15);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Zeros are written in pieces of this many bytes.
const ZERO_PIECE: u64 = 1 << 20;

/// What was tried on which file, and what the kernel said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct DiskError {
    pub what: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Turns an [`io::Error`] into one that says what was tried on `path`.
    pub(crate) fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { what, path, source }
    }

    /// The block that does not hold what was written, if that is what went wrong.
    pub(crate) fn bad_block(&self) -> Option<BadBlock> {
        self.source.get_ref()?.downcast_ref().copied()
    }
}

/// Whether an image is opened to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// An open image. Offsets, lengths and memory of reads and writes are multiples of [`BLOCK_SIZE`].
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: File,
    path: PathBuf,
    /// What its blocks hold, where that is taken down.
    sums: Option<Arc<Sums>>,
}

impl AsRef<File> for ImageFile {
    fn as_ref(&self) -> &File {
        &self.file
    }
}

impl ImageFile {
    /// Opens an image that exists.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, DiskError> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::ReadWrite)
            .custom_flags(libc::O_DIRECT | libc::O_NOFOLLOW)
            .open(path)
            .map_err(DiskError::at("open with O_DIRECT", path))?;
        Ok(Self { file, path: path.to_path_buf(), sums: None })
    }

    /// Opens a file that only supplies data from below the chain; it may be reached through a symbolic link.
    pub(crate) fn open_backing(path: &Path) -> Result<Self, DiskError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .map_err(DiskError::at("open with O_DIRECT", path))?;
        Ok(Self { file, path: path.to_path_buf(), sums: None })
    }

    /// Makes a new sparse image of `size` bytes whose existence in the directory is not yet durable.
    /// A file of that name must not exist.
    pub(crate) fn create(path: &Path, size: u64) -> Result<Self, DiskError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o644)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .map_err(DiskError::at("create with O_DIRECT", path))?;
        file.set_len(size).map_err(DiskError::at("set the size of", path))?;
        file.sync_all().map_err(DiskError::at("sync", path))?;
        Ok(Self { file, path: path.to_path_buf(), sums: None })
    }

    /// With checksums: whatever is read is checked from now on, and whatever is written is taken down.
    pub(crate) fn with_sums(self, sums: Option<Arc<Sums>>) -> Self {
        Self { sums, ..self }
    }

    pub(crate) fn sums(&self) -> Option<&Arc<Sums>> {
        self.sums.as_ref()
    }

    /// The same file, open for writing too, whatever its name is now.
    pub(crate) fn writable(&self) -> Result<Self, DiskError> {
        let same = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&same);
        let file = opened.map_err(|error| self.error("open for writing", error))?;
        Ok(Self { file, path: self.path.clone(), sums: self.sums.clone() })
    }

    /// Makes sure that nobody else's writes are on their way to this file, and that others can make sure of ours.
    ///
    /// The kernel may go on with queued writes of a process that was killed, when the directory's lock is free again.
    /// The lock taken here belongs to the open file, which such a write keeps open until it has ended.
    pub(crate) fn take_for_writing(&self) -> Result<(), DiskError> {
        let begin = Instant::now();
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if begin.elapsed() < LATE_WRITES => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let why = format!(
                        "writes of a process that has ended are still on their way to it after {} s; the disk is slow or \
                         hangs: try again when it answers",
                        LATE_WRITES.as_secs()
                    );
                    return Err(self.error("take for writing", io::Error::new(io::ErrorKind::ResourceBusy, why)));
                }
                Err(TryLockError::Error(error)) => return Err(self.error("lock", error)),
            }
        }
    }

    /// Fills `blocks` from `offset` on; what lies past the end of the file reads as zeros.
    pub(crate) fn read_blocks(&self, offset: u64, blocks: &mut [u8]) -> Result<(), DiskError> {
        let moment = self.sums.as_ref().map_or(0, |sums| sums.moment());
        self.read_unchecked(offset, blocks)?;
        self.check(offset, blocks, moment)
    }

    /// Checks what was read from `offset` on, as far as it is known what was written there; `moment` was before the read.
    pub(super) fn check(&self, offset: u64, blocks: &mut [u8], moment: u64) -> Result<(), DiskError> {
        self.sums.as_ref().map_or(Ok(()), |sums| sums.check(self, offset, blocks, moment))
    }

    /// Takes down what was written at `offset`, in a way that this value knows nothing of.
    pub(crate) fn note_written(&self, offset: u64, blocks: &[u8]) {
        if let Some(sums) = &self.sums {
            sums.set(offset, blocks);
        }
    }

    /// Does `change` to these bytes, which become `blocks`, or what nobody takes down.
    fn changing<T>(
        &self,
        offset: u64,
        length: u64,
        blocks: Option<&[u8]>,
        change: impl FnOnce() -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let Some(sums) = &self.sums else { return change() };
        sums.begin(offset, length);
        let outcome = change();
        match blocks.filter(|_| outcome.is_ok()) {
            Some(blocks) => sums.set(offset, blocks),
            None => sums.forget(offset, length),
        }
        sums.end(offset, length);
        outcome
    }

    /// As [`ImageFile::read_blocks`], whatever the disk gives.
    pub(crate) fn read_unchecked(&self, offset: u64, blocks: &mut [u8]) -> Result<(), DiskError> {
        let mut done = 0;
        while done < blocks.len() {
            let count = match self.file.read_at(&mut blocks[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(DiskError::at("read", &self.path)(error)),
            };
            done += count;
            if !done.is_multiple_of(BLOCK_SIZE as usize) {
                // Direct reads end inside a block only at the end of the file.
                break;
            }
        }
        blocks[done..].fill(0);
        Ok(())
    }

    /// Writes all of `blocks` at `offset`.
    pub(crate) fn write_blocks(&self, offset: u64, blocks: &[u8]) -> Result<(), DiskError> {
        self.changing(offset, blocks.len() as u64, Some(blocks), || self.write_unnoted(offset, blocks))
    }

    /// Writes what was there before the disk changed it. What is known of it stays, whatever becomes of the write: one that
    /// fails must not make the damage good.
    pub(crate) fn write_again(&self, offset: u64, blocks: &[u8]) -> Result<(), DiskError> {
        let length = blocks.len() as u64;
        self.sums.as_ref().inspect(|sums| sums.begin(offset, length));
        let outcome = self.write_unnoted(offset, blocks);
        self.sums.as_ref().inspect(|sums| sums.end(offset, length));
        outcome
    }

    /// Writes a block of which something else is known than what it holds: it is as wrong here as it was where it comes from.
    /// False where that cannot be taken down:
    /// whatever was written has to go again.
    pub(crate) fn write_as(&self, offset: u64, block: &[u8], known: u32) -> Result<bool, DiskError> {
        let Some(sums) = self.sums.as_ref().filter(|sums| !sums.is_lost()) else { return Ok(false) };
        let length = block.len() as u64;
        sums.begin(offset, length);
        // First: a write that is cut off must not be taken for the block.
        sums.set_to(offset, known);
        let outcome = self.write_unnoted(offset, block);
        sums.end(offset, length);
        outcome.map(|()| !sums.is_lost())
    }

    fn write_unnoted(&self, offset: u64, blocks: &[u8]) -> Result<(), DiskError> {
        let mut done = 0;
        while done < blocks.len() {
            let written = fault::check("write", &self.path)
                .and_then(|()| self.file.write_at(&blocks[done..], offset + done as u64));
            match written {
                Ok(0) => {
                    return Err(DiskError::at("write", &self.path)(io::ErrorKind::WriteZero.into()));
                }
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::at("write", &self.path)(error)),
            }
        }
        Ok(())
    }

    /// Gives the range back to the file system: it becomes a hole.
    pub(crate) fn punch(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        self.changing(offset, length, None, || {
            self.allocate(flags, offset, length).map_err(DiskError::at("punch a hole into", &self.path))
        })
    }

    /// Makes the range zeros that have storage and were not written: quick, and no more than reserved space after a
    /// power cut (`replica::unfinished`).
    pub(crate) fn reserve_zeros(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        let flags = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let zeroed = self.changing(offset, length, None, || {
            self.allocate(flags, offset, length).map_err(DiskError::at("zero a range of", &self.path))
        });
        match zeroed {
            Err(error) if error.source.raw_os_error() == Some(libc::EOPNOTSUPP) => self.write_zeros(offset, length),
            outcome => outcome,
        }
    }

    fn allocate(&self, flags: FallocateFlags, offset: u64, length: u64) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let (offset, length) = (offset.try_into().map_err(too_large)?, length.try_into().map_err(too_large)?);
        loop {
            match fallocate(&self.file, flags, offset, length) {
                Err(nix::errno::Errno::EINTR) => {}
                outcome => return outcome.map_err(io::Error::from),
            }
        }
    }

    /// Makes the range zeros as any data is written, at the speed of the disk.
    pub(crate) fn write_zeros(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        let zeros = AlignedBuf::zeroed(length.min(ZERO_PIECE) as usize);
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(ZERO_PIECE);
            self.write_blocks(offset + done, &zeros.padded()[..piece as usize])?;
            done += piece;
        }
        Ok(())
    }

    /// The file's name without its directory, as it was when it was opened.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What went wrong when `what` was tried on this file.
    pub(super) fn error(&self, what: &'static str, source: io::Error) -> DiskError {
        DiskError::at(what, &self.path)(source)
    }

    /// Makes written data, and what is needed to find it again, durable.
    pub(crate) fn sync_data(&self) -> Result<(), DiskError> {
        let synced = fault::check("sync", &self.path).and_then(|()| self.file.sync_data());
        synced.map_err(DiskError::at("sync", &self.path))
    }

    /// Gives the file a new end; what comes behind the old one is a hole. Durable after [`ImageFile::sync_data`].
    pub(crate) fn grow_to(&self, size: u64) -> Result<(), DiskError> {
        self.file.set_len(size).map_err(DiskError::at("set the size of", &self.path))
    }

    /// Apparent size in bytes.
    pub(crate) fn size(&self) -> Result<u64, DiskError> {
        Ok(self.stat()?.size())
    }

    /// Size and allocation as the file system knows them.
    pub(crate) fn stat(&self) -> Result<std::fs::Metadata, DiskError> {
        self.file.metadata().map_err(DiskError::at("look at", &self.path))
    }

    /// Calls `each` for the ranges of whole blocks with storage that touch `start..end` (bytes), in order, rounded
    /// outwards to blocks. Neighbours are not merged. Ends early when `each` says `false`.
    pub(crate) fn for_each_extent(
        &self,
        start: u64,
        end: u64,
        mut each: impl FnMut(Extent) -> bool,
    ) -> Result<(), DiskError> {
        let mut from = start;
        while from < end {
            let batch = fault::check("map the extents of", &self.path)
                .and_then(|()| fiemap::batch(&self.file, from, end))
                .map_err(DiskError::at("map the extents of", &self.path))?;
            for extent in &batch.extents {
                let first = extent.offset / BLOCK_SIZE * BLOCK_SIZE;
                let last = (extent.offset + extent.length).next_multiple_of(BLOCK_SIZE);
                if !each(Extent { offset: first, length: last - first, ..*extent }) {
                    return Ok(());
                }
            }
            match batch.extents.last() {
                Some(last) if !batch.complete => from = last.offset + last.length,
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(image: &ImageFile) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        image
            .for_each_extent(0, u64::MAX / 2, |extent| {
                found.push((extent.offset, extent.length));
                true
            })
            .unwrap();
        found
    }

    #[test]
    fn zeros_are_data_and_holes_are_not() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = ImageFile::create(&dir.path().join("a.img"), 16 * 4096).unwrap();
        assert_eq!(extents(&image), []);
        image.write_blocks(4096, AlignedBuf::copy_of(&[7; 8192]).padded()).unwrap();
        image.write_zeros(8 * 4096, 4096).unwrap();
        image.reserve_zeros(10 * 4096, 4096).unwrap();
        assert_eq!(extents(&image), [(4096, 8192), (8 * 4096, 4096), (10 * 4096, 4096)]);
        image.punch(4096, 4096).unwrap();
        assert_eq!(extents(&image), [(8192, 4096), (8 * 4096, 4096), (10 * 4096, 4096)]);
        let mut buffer = AlignedBuf::copy_of(&[1; 3 * 4096]);
        image.read_blocks(0, buffer.padded_mut()).unwrap();
        assert!(buffer[..8192].iter().all(|&byte| byte == 0));
        assert!(buffer[8192..].iter().all(|&byte| byte == 7));
    }

    #[test]
    fn only_what_was_written_is_a_written_extent() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = ImageFile::create(&dir.path().join("a.img"), 16 * 4096).unwrap();
        image.write_zeros(0, 2 * 4096).unwrap();
        image.write_zeros(6 * 4096, 4096).unwrap();
        image.reserve_zeros(4096, 2 * 4096).unwrap();
        let mut unwritten = Vec::new();
        image
            .for_each_extent(0, 16 * 4096, |extent| {
                if extent.unwritten {
                    unwritten.extend((extent.offset..extent.offset + extent.length).step_by(4096));
                }
                true
            })
            .unwrap();
        assert_eq!(unwritten, [4096, 2 * 4096], "also where zeros had been written before");
    }

    #[test]
    fn past_the_end_reads_zeros() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = ImageFile::create(&dir.path().join("a.img"), 4096).unwrap();
        image.write_blocks(0, AlignedBuf::copy_of(&[7; 4096]).padded()).unwrap();
        let mut buffer = AlignedBuf::copy_of(&[1; 8192]);
        image.read_blocks(0, buffer.padded_mut()).unwrap();
        assert!(buffer[..4096].iter().all(|&byte| byte == 7) && buffer[4096..].iter().all(|&byte| byte == 0));
        assert!(
            matches!(ImageFile::create(&dir.path().join("a.img"), 1), Err(error) if error.what.starts_with("create"))
        );
    }
}
