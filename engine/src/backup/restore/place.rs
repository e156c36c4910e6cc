//! One place of the volume: what is there, what belongs there, and writing no more than the difference.
//!
//! What is there is read first, unless the sink is known to be empty: a restore that was interrupted fetches no block
//! again that arrived. Of a block that is fetched, parts are written that are not zeros, or hide something else than
//! zeros: a block with 4 KiB of data in it takes 64 KiB of storage, not 2 MiB.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::steps::Step;
use crate::backup::backup_record::BlockEntry;
use crate::backup::block::{Checksum, Hasher};
use crate::backup::fetch::Fetcher;
use crate::backup::sink::BlockSink;
use crate::backup::{BackupError, Progress};
use crate::disk::zeros::is_zero;

/// Bytes that are read or written at a time.
const PIECE: usize = 1 << 20;
/// Zeros are left out in units of this many bytes.
const GRAIN: usize = 64 << 10;

/// All that the places of one restore share.
pub(super) struct Places<'call> {
    pub(super) fetcher: Fetcher,
    pub(super) sink: &'call dyn BlockSink,
    pub(super) sink_is_empty: bool,
    pub(super) block_size: u64,
    /// Bytes of the volume, or of the sink where that has more and they are looked at, too.
    pub(super) size: u64,
    pub(super) progress: &'call Progress,
    /// Checksum of a block of zeros.
    pub(super) zeros: OnceLock<Checksum>,
    pub(super) fetched: AtomicU64,
    pub(super) kept: AtomicU64,
    pub(super) zeroed: AtomicU64,
}

/// What is in a place.
struct There {
    /// `None`: the place is cut off by the volume's end and has no block's checksum.
    checksum: Option<Checksum>,
    /// For each grain, whether it holds anything but zeros.
    holds: Vec<bool>,
}

impl There {
    fn is_blank(&self) -> bool {
        !self.holds.contains(&true)
    }
}

impl Places<'_> {
    pub(super) async fn do_step(&self, step: Step) -> Result<(), BackupError> {
        match step {
            Step::Block(entry) => self.put(entry).await?,
            Step::Blank { offset } => self.blank(offset).await?,
        }
        self.progress.advance(self.block_size);
        Ok(())
    }

    /// Bytes of the place that are within the volume.
    fn length(&self, offset: u64) -> u64 {
        self.size.saturating_sub(offset).min(self.block_size)
    }

    async fn put(&self, entry: BlockEntry) -> Result<(), BackupError> {
        let length = self.length(entry.offset);
        let there = self.look(entry.offset, length).await?;
        if there.checksum == Some(entry.checksum) {
            self.kept.fetch_add(length, Ordering::Relaxed);
            return Ok(());
        }
        let block = self.fetcher.fetch(entry.checksum, self.block_size).await?;
        let content = block.content.slice(..length as usize);
        let mut at = 0;
        while at < content.len() {
            let end = (at + PIECE).min(content.len());
            self.write_piece(entry.offset, &content, at..end, &there.holds).await?;
            at = end;
        }
        drop(content);
        drop(block.share);
        self.fetched.fetch_add(self.block_size, Ordering::Relaxed);
        Ok(())
    }

    /// Writes the grains of a piece that have to be written, those that touch with one call.
    async fn write_piece(
        &self,
        offset: u64,
        content: &Bytes,
        piece: std::ops::Range<usize>,
        holds: &[bool],
    ) -> Result<(), BackupError> {
        let mut pending = piece.start..piece.start;
        let mut at = piece.start;
        while at < piece.end {
            let end = (at + GRAIN).min(piece.end);
            let hides = holds.get(at / GRAIN).copied().unwrap_or(true);
            if hides || !is_zero(&content[at..end]) {
                if pending.end != at {
                    self.write_run(offset, content, pending.clone()).await?;
                    pending = at..at;
                }
                pending.end = end;
            }
            at = end;
        }
        self.write_run(offset, content, pending).await
    }

    async fn write_run(&self, offset: u64, content: &Bytes, run: std::ops::Range<usize>) -> Result<(), BackupError> {
        if run.is_empty() {
            return Ok(());
        }
        let place = offset + run.start as u64;
        self.sink.write(place, content.slice(run)).await.map_err(BackupError::Sink)
    }

    async fn blank(&self, offset: u64) -> Result<(), BackupError> {
        let length = self.length(offset);
        if length == 0 || self.sink_is_empty {
            return Ok(());
        }
        if self.sink.is_blank_when_zero() && self.look(offset, length).await?.is_blank() {
            return Ok(());
        }
        self.sink.zero(offset, length).await.map_err(BackupError::Sink)?;
        self.zeroed.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Reads what is there. Zeros, which most of a fresh volume is, are not hashed as long as nothing else comes.
    async fn look(&self, offset: u64, length: u64) -> Result<There, BackupError> {
        let mut holds = Vec::with_capacity(length.div_ceil(GRAIN as u64) as usize);
        if self.sink_is_empty {
            holds.resize(holds.capacity(), false);
            return Ok(There { checksum: self.checksum_of_zeros(length), holds });
        }
        let mut hasher: Option<Hasher> = None;
        let mut at = 0;
        while at < length {
            let wanted = (length - at).min(PIECE as u64);
            let piece = self.sink.read(offset + at, wanted as u32).await.map_err(BackupError::Sink)?;
            if piece.len() as u64 != wanted {
                let why = format!("{} bytes came where {wanted} were asked for", piece.len());
                return Err(BackupError::Internal { what: "reading the volume that is restored", why });
            }
            holds.extend(piece.chunks(GRAIN).map(|grain| !is_zero(grain)));
            at += wanted;
            if hasher.is_none() && !holds.contains(&true) {
                continue;
            }
            let before = at - wanted;
            let so_far = hasher.take();
            let hashed = self.fetcher.processors.run(move || {
                let mut hasher = so_far.unwrap_or_else(|| hash_of_zeros(before));
                hasher.update(&piece);
                hasher
            });
            hasher = Some(hashed.await?);
        }
        let checksum = match hasher {
            None => self.checksum_of_zeros(length),
            Some(hasher) => (length == self.block_size).then(|| hasher.finish()),
        };
        Ok(There { checksum, holds })
    }

    fn checksum_of_zeros(&self, length: u64) -> Option<Checksum> {
        let checksum = self.zeros.get_or_init(|| hash_of_zeros(self.block_size).finish());
        (length == self.block_size).then_some(*checksum)
    }
}

fn hash_of_zeros(mut length: u64) -> Hasher {
    static ZEROS: [u8; GRAIN] = [0; GRAIN];
    let mut hasher = Hasher::default();
    while length > 0 {
        let part = length.min(GRAIN as u64);
        hasher.update(&ZEROS[..part as usize]);
        length -= part;
    }
    hasher
}
