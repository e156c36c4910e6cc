//! The way of one block into the store.
//!
//! ```text
//!   source ─► pieces of 1 MiB ─► hash ─► there already? ─yes─► done
//!                                            └─no─► compress ─► store
//! ```
//! Many blocks are on their way at a time, each holding a share of the memory; hashing and compressing run on as many
//! threads as there are processors.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::{CreateRequest, Mode};
use crate::backup::backup_record::{BlockEntry, BlockList};
use crate::backup::block::{Checksum, Compression};
use crate::backup::budget::{self, Budget, Processors};
use crate::backup::source::BlockSource;
use crate::backup::store::{Entry, Store};
use crate::backup::{BackupError, Progress, layout};
use crate::crash_point;

/// Bytes that are read at a time.
const PIECE: u64 = 1 << 20;
/// Pieces of one block that are read at the same time.
const READS: usize = 4;
/// Memory of the blocks on their way and of the encoders, in bytes, unless two blocks need more. With what comes on top
/// (buffers of connections and of direct writes, the volume's own pieces, free memory between them, the list) a backup is to
/// stay below 64 MiB: with 44 MiB here an engine took 72.
const MEMORY: u64 = 30 << 20;
/// Blocks on their way unless the request says how many; memory allows fewer where they are large.
const DEFAULT_CONCURRENCY: usize = 24;

static ZEROS: [u8; PIECE as usize] = [0; PIECE as usize];

/// What became of the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) new_blocks: u64,
    pub(super) new_bytes: u64,
    pub(super) stored_again_bytes: u64,
}

pub(super) struct Upload<'call> {
    pub(super) store: &'call Store,
    pub(super) request: &'call CreateRequest,
    pub(super) source: &'call dyn BlockSource,
    pub(super) compression: Compression,
    pub(super) progress: &'call Progress,
    budget: Budget,
    processors: Processors,
    /// Blocks that this backup has dealt with, or is dealing with.
    seen: Mutex<HashSet<Checksum>>,
    new_blocks: AtomicU64,
    new_bytes: AtomicU64,
    stored_again_bytes: AtomicU64,
}

impl<'call> Upload<'call> {
    pub(super) fn new(
        store: &'call Store,
        request: &'call CreateRequest,
        source: &'call dyn BlockSource,
        compression: Compression,
        progress: &'call Progress,
    ) -> Self {
        let block_size = request.block_size;
        let processors = Processors::for_encoding(block_size);
        let blocks = MEMORY.saturating_sub(processors.encoders_memory(block_size));
        Self {
            store,
            request,
            source,
            compression,
            progress,
            budget: Budget::new(blocks.max(2 * working(block_size))),
            processors,
            seen: Mutex::default(),
            new_blocks: AtomicU64::default(),
            new_bytes: AtomicU64::default(),
            stored_again_bytes: AtomicU64::default(),
        }
    }

    /// Stores all blocks of `runs`; ends with the first error.
    pub(super) async fn run(&self, runs: Vec<Range<u64>>) -> Result<(BlockList, Counts), BackupError> {
        let concurrency = match self.request.concurrency {
            0 => DEFAULT_CONCURRENCY,
            some => some,
        };
        budget::prepare_for(self.request.block_size);
        let entries: Vec<BlockEntry> = stream::iter(runs.into_iter().flatten())
            .map(|number| self.block(number * self.request.block_size))
            .buffer_unordered(concurrency)
            .boxed()
            .try_collect()
            .await?;
        let list = BlockList::new(entries)
            .map_err(|why| BackupError::Internal { what: "listing the blocks of a backup", why })?;
        let counts = Counts {
            new_blocks: self.new_blocks.load(Ordering::Relaxed),
            new_bytes: self.new_bytes.load(Ordering::Relaxed),
            stored_again_bytes: self.stored_again_bytes.load(Ordering::Relaxed),
        };
        Ok((list, counts))
    }

    async fn block(&self, offset: u64) -> Result<BlockEntry, BackupError> {
        let block_size = self.request.block_size;
        let mut share = self.budget.take(working(block_size)).await?;
        let pieces = self.read(offset).await?;
        let (checksum, pieces) = self.processors.hash(pieces).await?;
        if self.claim(checksum) {
            let path = layout::block(&self.request.volume, &checksum);
            let there = self.store.facts(&path).await?;
            let usable = there.as_ref().is_some_and(|entry| self.may_be_whole(entry));
            if self.request.mode == Mode::Full || !usable {
                let file = self.processors.encode(self.compression, pieces).await?;
                share.shrink_to(file.len() as u64);
                self.put(&path, file.into(), there.is_some()).await?;
            }
        }
        self.progress.advance(block_size);
        Ok(BlockEntry { offset, checksum })
    }

    /// Whether nobody else of this backup sees to that block.
    fn claim(&self, checksum: Checksum) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(checksum)
    }

    /// A file that a power cut left empty or short is stored again, as far as its size tells.
    fn may_be_whole(&self, entry: &Entry) -> bool {
        match self.compression {
            Compression::None => entry.size == self.request.block_size,
            Compression::Gzip | Compression::Lz4 => entry.size > 0,
        }
    }

    async fn put(&self, path: &str, file: Bytes, was_there: bool) -> Result<(), BackupError> {
        let length = file.len() as u64;
        self.store.write(path, file).await?;
        crash_point::reached("backup.block-stored");
        if was_there {
            self.stored_again_bytes.fetch_add(length, Ordering::Relaxed);
        } else {
            self.new_blocks.fetch_add(1, Ordering::Relaxed);
            self.new_bytes.fetch_add(length, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A block in pieces. What lies past the end of a snapshot that is shorter than the volume is zeros.
    async fn read(&self, offset: u64) -> Result<Vec<Bytes>, BackupError> {
        let starts = (offset..offset + self.request.block_size).step_by(PIECE as usize);
        let reads = stream::iter(starts).map(|start| self.read_piece(start));
        let pieces: Vec<_> = reads.buffered(READS).boxed().try_collect().await?;
        Ok(pieces.into_iter().flatten().flatten().collect())
    }

    async fn read_piece(&self, start: u64) -> Result<[Option<Bytes>; 2], BackupError> {
        let data = self.source.size().saturating_sub(start).min(PIECE);
        let mut parts = [None, None];
        if data > 0 {
            let read = self.source.read(start, data as u32).await.map_err(BackupError::Source)?;
            if read.len() as u64 != data {
                let why = format!("{} bytes came where {data} at {start} were asked for", read.len());
                return Err(BackupError::Internal { what: "reading a snapshot", why });
            }
            parts[0] = Some(read);
        }
        if data < PIECE {
            parts[1] = Some(Bytes::from_static(&ZEROS[data as usize..]));
        }
        Ok(parts)
    }
}

/// Memory of a block until it is compressed: what comes out takes the place of the pieces that went in.
fn working(block_size: u64) -> u64 {
    block_size + PIECE
}
