//! The way of one block out of a store: fetched, uncompressed, checked.
//!
//! What is compressed and what is not are counted apart, so that a block that waits to be uncompressed never waits for
//! one that waits to be fetched.

use std::time::Duration;

use bytes::Bytes;

use super::block::{Checksum, Compression, DecodeError, Unchecked};
use super::budget::{self, Budget, Processors, Share};
use super::store::Store;
use super::target::ErrorKind;
use super::{BackupError, layout};

/// Memory for files as they come, and for blocks as they are written; in bytes.
const FILE_MEMORY: u64 = 16 << 20;
const BLOCK_MEMORY: u64 = 40 << 20;
/// What a file may be larger than the block in it, whatever the block's size.
const FILE_EXTRA: u64 = 64 << 10;
/// What an LZ4 decoder keeps: a block of its frame compressed, and as it comes out.
const DECODER: u64 = 2 * (4 << 20);
/// Pauses before a block is asked for again, after errors that pass; the store has tried more than once by then.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// Blocks on their way unless somebody says how many; memory allows fewer where they are large.
const DEFAULT_CONCURRENCY: usize = 24;

/// Reads blocks of one backup volume, or of the backing images. Clones share the bounds.
#[derive(Clone)]
pub(super) struct Fetcher {
    store: Store,
    /// Whose blocks they are, for people.
    volume: String,
    /// The directory of the blocks.
    directory: String,
    compression: Compression,
    files: Budget,
    blocks: Budget,
    pub(super) processors: Processors,
    pauses: &'static [Duration],
}

/// A block that has its checksum. Its memory counts as long as the share lives.
pub(super) struct Fetched {
    pub(super) content: Bytes,
    pub(super) share: Share,
}

/// How many blocks at a time.
pub(super) fn concurrency(wanted: usize) -> usize {
    if wanted == 0 { DEFAULT_CONCURRENCY } else { wanted }
}

impl Fetcher {
    pub(super) fn new(store: &Store, volume: &str, compression: Compression) -> Self {
        Self::at(store, volume, layout::blocks(volume), compression)
    }

    /// Of blocks in another directory than a volume's.
    pub(super) fn at(store: &Store, owner: &str, directory: String, compression: Compression) -> Self {
        Self {
            store: store.clone(),
            volume: owner.to_owned(),
            directory,
            compression,
            files: Budget::new(FILE_MEMORY),
            blocks: Budget::new(BLOCK_MEMORY),
            processors: Processors::default(),
            pauses: &PAUSES,
        }
    }

    /// One that tells of an error that passes, too, instead of trying again by itself.
    pub(super) fn without_pauses(self) -> Self {
        Self { pauses: &[], ..self }
    }

    /// The block of that checksum, which has `length` bytes.
    pub(super) async fn fetch(&self, checksum: Checksum, length: u64) -> Result<Fetched, BackupError> {
        budget::prepare_for(length);
        let path = format!("{}/{}", self.directory, layout::block_below(&checksum));
        match self.try_to_fetch(&path, checksum, length).await {
            // The way from the store may have changed it, once.
            Err(BackupError::BlockDamaged { .. }) => self.try_to_fetch(&path, checksum, length).await,
            outcome => outcome,
        }
    }

    async fn try_to_fetch(&self, path: &str, checksum: Checksum, length: u64) -> Result<Fetched, BackupError> {
        let waiting = self.files.take(length).await?;
        let file = self.read(path, checksum, length).await?;
        let mut share = self.blocks.take(length + DECODER.min(2 * length)).await?;
        let compression = self.compression;
        let damaged = |error: DecodeError| BackupError::BlockDamaged { path: path.to_owned(), why: error.to_string() };
        let unchecked = self.processors.run(move || {
            let outcome = Unchecked::of_file(compression, &file, length);
            drop(file);
            drop(waiting);
            outcome
        });
        let unchecked = unchecked.await?.map_err(damaged)?;
        let (found, _) = self.processors.hash(unchecked.pieces()).await?;
        let content = unchecked.checked(found, &checksum, length).map_err(damaged)?;
        share.shrink_to(length);
        Ok(Fetched { content, share })
    }

    /// The block's file, in spite of errors that pass.
    async fn read(&self, path: &str, checksum: Checksum, length: u64) -> Result<Bytes, BackupError> {
        // What cannot be compressed becomes a little larger.
        let limit = length + length / 64 + FILE_EXTRA;
        let mut pauses = self.pauses.iter();
        loop {
            let error = match self.store.read_at_most(path, limit).await {
                Ok(file) => return Ok(file),
                Err(error) => error,
            };
            match (error.kind(), pauses.next()) {
                (ErrorKind::NotFound, _) => {
                    let (volume, checksum) = (self.volume.clone(), checksum.to_string());
                    return Err(BackupError::BlockMissing { volume, checksum });
                }
                (ErrorKind::Damaged, _) => {
                    let (path, why) = (path.to_owned(), error.reason().to_owned());
                    return Err(BackupError::BlockDamaged { path, why });
                }
                (kind, Some(pause)) if kind.is_transient() && !error.is_given_up() => tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    // The next try says so.
                    () = self.store.is_given_up() => {}
                },
                _ => return Err(error.into()),
            }
        }
    }

    /// How many blocks may be on their way where they are wanted in order: those that came early hold memory until it
    /// is their turn, and that of the next one must be left.
    pub(super) fn in_order(length: u64) -> usize {
        let largest = length + DECODER.min(2 * length);
        ((BLOCK_MEMORY / largest) as usize).clamp(1, DEFAULT_CONCURRENCY)
    }
}
