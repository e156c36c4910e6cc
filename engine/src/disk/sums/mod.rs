//! Checksums of the blocks of one image, in a file beside it: what a disk gives back is what it was given.
//!
//! The file holds the CRC-32C of each block of 4096 bytes, four bytes in little endian, the first block's first. 0 is "not
//! known" (a CRC that is 0 is taken down as 1), and so is what lies in a hole or past the end. It is read and written through
//! the page cache, so that it takes no memory of the process and no time of the disk most of the time.
//!
//! Invariants:
//! - **A sum that is known is that of what the block holds**, unless the disk has changed it. Not to know is always right.
//! - **While a block is being changed, what is known of it counts for nobody** (`in_flight`), and if that breaks off, its region
//!   is dirty in the log: the next open forgets the sums there before anything is read (`replica::sums`).
//! - **What a read has found is taken down only if nothing was being changed there while it read**: it may be what was there
//!   before.
//! - **What cannot be taken down is forgotten**: where the file cannot be written, none of it counts any more, and it goes
//!   before a region of the log becomes clean. Reads and writes of the image go on.
//! - A hole holds nothing that a disk could change: whatever is known of one is out of date.

mod check;
mod in_flight;

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use check::BadBlock;
use in_flight::InFlight;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;

use super::{BLOCK_SIZE, DiskError, fault};
use crate::sys::cached_read;

/// Bytes of one sum.
const SUM: usize = 4;
/// Sums that are looked at together, on the stack: those of a MiB.
const TOGETHER: usize = 256;
const BLOCK: usize = BLOCK_SIZE as usize;

/// Sums of consecutive blocks, as in the file.
type Known = [u8; TOGETHER * SUM];

/// What a block is known by; never 0.
pub(crate) fn of_block(block: &[u8]) -> u32 {
    crc32c::crc32c(block).max(1)
}

/// What became of a file that was to get another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    Done,
    /// Nothing is known any more, and the file counts for nobody.
    Lost,
}

/// The sums of one image.
#[derive(Debug)]
pub(crate) struct Sums {
    path: Mutex<PathBuf>,
    /// Of the image.
    blocks: u64,
    /// Opened, and made if it is not there, when it is used for the first time.
    file: OnceLock<File>,
    /// Nothing is known any more.
    lost: AtomicBool,
    in_flight: InFlight,
    /// Something may not be durable; it is in `unsynced` then.
    is_unsynced: AtomicBool,
    unsynced: Arc<Unsynced>,
}

/// Those of a directory whose files may not be durable.
#[derive(Debug, Default)]
pub(crate) struct Unsynced(Mutex<Vec<Arc<Sums>>>);

impl Unsynced {
    pub(crate) fn take(&self) -> Vec<Arc<Sums>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Sums>>> {
        // A list: every state of it that a panic may leave is a true one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    /// Those of an image with so many blocks.
    pub(crate) fn at(path: PathBuf, blocks: u64, unsynced: Arc<Unsynced>) -> Self {
        let (lost, is_unsynced) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            path: Mutex::new(path),
            blocks,
            file: OnceLock::new(),
            lost,
            in_flight: InFlight::default(),
            is_unsynced,
            unsynced,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.lock_path().clone()
    }

    fn lock_path(&self) -> MutexGuard<'_, PathBuf> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment before a read, for [`Sums::check`].
    pub(crate) fn moment(&self) -> u64 {
        self.in_flight.moment()
    }

    /// A change of these bytes of the image begins. It ends with [`Sums::end`], when what is known of them is right again.
    pub(crate) fn begin(&self, offset: u64, length: u64) {
        self.in_flight.begin(offset..offset + length);
    }

    pub(crate) fn end(&self, offset: u64, length: u64) {
        self.in_flight.end(&(offset..offset + length));
    }

    /// Takes down what whole blocks hold from `offset` on.
    pub(crate) fn set(self: &Arc<Self>, offset: u64, data: &[u8]) {
        let Some(file) = self.file() else { return };
        for (offset, data) in pieces(offset, data) {
            let (sums, length) = of_blocks(data);
            self.write(file, offset, &sums[..length]);
        }
    }

    /// Takes down something else than what the block holds.
    pub(crate) fn set_to(self: &Arc<Self>, offset: u64, known: u32) {
        if let Some(file) = self.file() {
            self.write(file, offset, &known.to_le_bytes());
        }
    }

    /// As [`Sums::set`], if the disk need not be asked for that; says whether it was done.
    pub(crate) fn set_at_once(self: &Arc<Self>, offset: u64, data: &[u8]) -> bool {
        if self.is_lost() {
            return true;
        }
        let Some(file) = self.file.get() else { return false };
        for (offset, data) in pieces(offset, data) {
            let (sums, length) = of_blocks(data);
            // A page that is not in memory would have to be read before a part of it can be written.
            let mut old: Known = [0; TOGETHER * SUM];
            if !is_cached(file, offset, &mut old[..length]) {
                return false;
            }
            if old[..length] != sums[..length] {
                self.write(file, offset, &sums[..length]);
            }
        }
        true
    }

    /// What the blocks of these bytes of the image hold is not known.
    pub(crate) fn forget(self: &Arc<Self>, offset: u64, length: u64) {
        const FEW: u64 = (TOGETHER * SUM) as u64;
        let Some(file) = self.file() else { return };
        let sums = place_of(offset)..place_of(offset + length.next_multiple_of(BLOCK_SIZE));
        if sums.end - sums.start <= FEW {
            return self.write(file, offset, &[0; FEW as usize][..(sums.end - sums.start) as usize]);
        }
        if let Err(error) = self.punch(file, sums) {
            self.lose(&error);
        }
        self.note_unsynced();
    }

    fn punch(&self, file: &File, sums: Range<u64>) -> io::Result<()> {
        self.check_fault("write")?;
        let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (start, length) =
            (sums.start.try_into().map_err(too_large)?, (sums.end - sums.start).try_into().map_err(too_large)?);
        loop {
            match fallocate(file, flags, start, length) {
                Err(nix::errno::Errno::EINTR) => {}
                outcome => return outcome.map_err(io::Error::from),
            }
        }
    }

    /// What is known of the block at `offset`; 0 for nothing.
    pub(crate) fn of_one(self: &Arc<Self>, offset: u64) -> u32 {
        let mut sum = [0; SUM];
        self.read(offset, &mut sum);
        u32::from_le_bytes(sum)
    }

    /// Makes it durable. It is forgotten, and `false`, where that fails: its file has to go.
    pub(crate) fn sync(&self) -> bool {
        // Before the sync: what changes from here on is told anew.
        self.is_unsynced.store(false, Ordering::SeqCst);
        if let Some(file) = self.file.get()
            && !self.is_lost()
            && let Err(error) = self.check_fault("sync").and_then(|()| file.sync_data())
        {
            self.lose(&error);
        }
        !self.is_lost()
    }

    /// Gives the file another name. Durable when the directory is.
    pub(crate) fn rename(self: &Arc<Self>, to: &Path) -> Result<Renamed, DiskError> {
        // It has one from here on: who opened it later would make another one.
        self.file();
        let mut path = self.lock_path();
        if self.is_lost() {
            return Ok(Renamed::Lost);
        }
        if *path != to {
            let renamed = fault::check("rename", &path).and_then(|()| std::fs::rename(&*path, to));
            renamed.map_err(DiskError::at("rename", &path))?;
            to.clone_into(&mut path);
        }
        Ok(Renamed::Done)
    }

    /// From now on nothing is known any more.
    pub(crate) fn lose(&self, why: &io::Error) {
        if !self.lost.swap(true, Ordering::SeqCst) {
            tracing::warn!(file = %self.path().display(), error = %why,
                "checksums cannot be kept: what this image holds is not checked until it is opened again");
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// `None` where nothing is known, nor can be.
    fn file(self: &Arc<Self>) -> Option<&File> {
        if self.is_lost() {
            return None;
        }
        if let Some(file) = self.file.get() {
            return Some(file);
        }
        let path = self.lock_path();
        if let Some(file) = self.file.get() {
            return Some(file);
        }
        match self.open(&path) {
            Ok(file) => Some(self.file.get_or_init(|| file)),
            Err(error) => {
                drop(path);
                // What is in it is out of date with the next write.
                self.lose(&error);
                self.note_unsynced();
                None
            }
        }
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        fault::check("open", path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path)?;
        let length = self.blocks * SUM as u64;
        if file.metadata()?.len() < length {
            // Only spares looks at what lies past the end.
            let _ = file.set_len(length);
        }
        Ok(file)
    }

    /// Fills `sums` with what is known from the block at `offset` on.
    fn read(self: &Arc<Self>, offset: u64, sums: &mut [u8]) {
        sums.fill(0);
        let Some(file) = self.file() else { return };
        let mut done = 0;
        while done < sums.len() {
            match file.read_at(&mut sums[done..], place_of(offset) + done as u64) {
                Ok(0) => return,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    sums.fill(0);
                    self.lose(&error);
                    return self.note_unsynced();
                }
            }
        }
    }

    fn write(self: &Arc<Self>, file: &File, offset: u64, sums: &[u8]) {
        if let Err(error) = self.check_fault("write").and_then(|()| file.write_all_at(sums, place_of(offset))) {
            self.lose(&error);
        }
        self.note_unsynced();
    }

    #[cfg(test)]
    fn check_fault(&self, what: &'static str) -> io::Result<()> {
        fault::check(what, &self.path())
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "tests have failures here")]
    #[inline]
    fn check_fault(&self, _: &'static str) -> io::Result<()> {
        Ok(())
    }

    /// Behind a change of the file, or the loss of it, and before the change of the image ends: a sync that is going on may not
    /// cover it, and one that has begun before the change was made does not.
    pub(crate) fn note_unsynced(self: &Arc<Self>) {
        if !self.is_unsynced.swap(true, Ordering::SeqCst) {
            self.unsynced.lock().push(Arc::clone(self));
        }
    }
}

/// Where the sum of the block at `offset` is in the file.
fn place_of(offset: u64) -> u64 {
    offset / BLOCK_SIZE * SUM as u64
}

/// Cuts whole blocks into pieces whose sums fit on the stack.
fn pieces(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let starts = (offset..).step_by(TOGETHER * BLOCK);
    starts.zip(data.chunks(TOGETHER * BLOCK))
}

/// The sums of at most [`TOGETHER`] blocks, and how many bytes they take.
fn of_blocks(data: &[u8]) -> (Known, usize) {
    let mut sums: Known = [0; TOGETHER * SUM];
    let blocks = data.chunks_exact(BLOCK);
    let length = blocks.len() * SUM;
    for (place, block) in sums.chunks_exact_mut(SUM).zip(blocks) {
        place.copy_from_slice(&of_block(block).to_le_bytes());
    }
    (sums, length)
}

/// Fills `sums` from what is in memory, if all of it is.
fn is_cached(file: &File, offset: u64, sums: &mut [u8]) -> bool {
    cached_read::read(file, place_of(offset), sums).is_ok_and(|count| count == sums.len())
}
