//! Where the bytes come from, and the few of them that are kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::BrowseError;

/// Bytes that are asked for at once. Large enough for what is far away, small enough for a directory's few blocks.
pub const CHUNK: u64 = 128 << 10;
/// Chunks that are kept: 32 MiB.
const CHUNKS_MAXIMUM: usize = 256;

/// A disk that can be read: the whole content of one snapshot. May block.
pub trait ReadAt {
    /// In bytes.
    fn size(&self) -> u64;

    /// Told once, before the first read: a source that may wait for long gives up soon after `cancel` is told. Others are
    /// asked nothing more then.
    fn obey(&mut self, cancel: &Cancel) {
        let _ = cancel;
    }

    /// Fills the buffer. It begins at a multiple of [`CHUNK`], and is as long as one or ends with the disk.
    ///
    /// # Errors
    /// The bytes are there and can't be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Told once, everything that reads with it ends with [`BrowseError::Cancelled`].
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`BrowseError::Cancelled`]
    pub fn check(&self) -> Result<(), BrowseError> {
        if self.is_told() { Err(BrowseError::Cancelled) } else { Ok(()) }
    }
}

/// A disk with a memory of what was read last.
pub struct Cached {
    source: Box<dyn ReadAt>,
    cancel: Cancel,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    chunks: HashMap<u64, Chunk>,
    /// Counts reads; the smallest is the oldest.
    clock: u64,
}

struct Chunk {
    used: u64,
    data: Box<[u8]>,
}

impl Cached {
    #[must_use]
    pub fn new(mut source: Box<dyn ReadAt>, cancel: Cancel) -> Self {
        source.obey(&cancel);
        Self { source, cancel, kept: RefCell::default() }
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Fills the buffer from byte `offset` on.
    ///
    /// # Errors
    /// Past the end of the disk: the file system says that there is more than there is. Else the source's own.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BrowseError> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&end| end <= self.size());
        if end.is_none() {
            let message = format!("it points to byte {offset}, past the end of the disk at {}", self.size());
            return Err(BrowseError::Damaged(message));
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let within = usize::try_from(at % CHUNK).unwrap_or(0);
            done += self.with_chunk(at / CHUNK, |chunk| {
                let part = chunk.get(within..).unwrap_or_default();
                let length = part.len().min(buffer.len() - done);
                buffer[done..done + length].copy_from_slice(&part[..length]);
                length
            })?;
        }
        Ok(())
    }

    fn with_chunk<T>(&self, index: u64, take: impl FnOnce(&[u8]) -> T) -> Result<T, BrowseError> {
        self.cancel.check()?;
        let mut kept = self.kept.borrow_mut();
        kept.clock += 1;
        let clock = kept.clock;
        if let Some(chunk) = kept.chunks.get_mut(&index) {
            chunk.used = clock;
            return Ok(take(&chunk.data));
        }
        let mut data = kept.room();
        let start = index * CHUNK;
        let length = usize::try_from(CHUNK.min(self.size().saturating_sub(start))).unwrap_or(0);
        data.resize(length, 0);
        let read = self.source.read_at(start, &mut data);
        // What the source says then is that it gave up.
        self.cancel.check()?;
        read.map_err(BrowseError::from)?;
        let taken = take(&data);
        kept.chunks.insert(index, Chunk { used: clock, data: data.into_boxed_slice() });
        Ok(taken)
    }
}

impl Kept {
    /// Memory for one more chunk: that of the oldest when there are enough.
    fn room(&mut self) -> Vec<u8> {
        let oldest = self.chunks.iter().min_by_key(|(_, chunk)| chunk.used).map(|(index, _)| *index);
        match oldest.filter(|_| self.chunks.len() >= CHUNKS_MAXIMUM).and_then(|index| self.chunks.remove(&index)) {
            Some(chunk) => chunk.data.into_vec(),
            None => Vec::new(),
        }
    }
}

/// A part of a disk, such as a partition.
#[derive(Clone)]
pub struct Window {
    disk: std::rc::Rc<Cached>,
    start: u64,
    length: u64,
}

impl Window {
    /// Cut at the end of the disk.
    #[must_use]
    pub fn new(disk: std::rc::Rc<Cached>, start: u64, length: u64) -> Self {
        let length = length.min(disk.size().saturating_sub(start));
        Self { disk, start, length }
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.length
    }

    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        self.disk.cancel()
    }

    /// As [`Cached::read`], and never outside of this part.
    ///
    /// # Errors
    /// As [`Cached::read`].
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BrowseError> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&end| end <= self.length);
        if end.is_none() {
            let message = format!("it points to byte {offset}, past its end at {}", self.length);
            return Err(BrowseError::Damaged(message));
        }
        self.disk.read(self.start + offset, buffer)
    }

    /// The first bytes from `offset` on, fewer at the end.
    ///
    /// # Errors
    /// As [`Cached::read`].
    pub fn peek(&self, offset: u64, length: usize) -> Result<Vec<u8>, BrowseError> {
        let there = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(there)];
        if !bytes.is_empty() {
            self.read(offset, &mut bytes)?;
        }
        Ok(bytes)
    }
}

/// Little-endian numbers at a place in bytes that are long enough; zero where they are not.
pub(super) mod number {
    pub(in super::super) fn u16(bytes: &[u8], at: usize) -> u16 {
        bytes.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(in super::super) fn u32(bytes: &[u8], at: usize) -> u32 {
        u32::from(u16(bytes, at)) | u32::from(u16(bytes, at + 2)) << 16
    }

    pub(in super::super) fn u64(bytes: &[u8], at: usize) -> u64 {
        u64::from(u32(bytes, at)) | u64::from(u32(bytes, at + 4)) << 32
    }

    /// Big-endian, as the journal has them.
    pub(in super::super) fn big32(bytes: &[u8], at: usize) -> u32 {
        u32(bytes, at).swap_bytes()
    }

    pub(in super::super) fn big16(bytes: &[u8], at: usize) -> u16 {
        u16(bytes, at).swap_bytes()
    }
}
