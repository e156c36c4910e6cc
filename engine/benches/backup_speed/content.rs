//! What the volumes hold: half of each MiB does not compress, the other half is text; no two blocks are the same.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use aurochs_engine::backup::source::Ranges;
use aurochs_engine::backup::{Base, BlockSource, SourceError};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::{RngCore, SeedableRng};

pub(crate) const BLOCK: u64 = 2 << 20;
const PIECE: usize = 1 << 20;
/// Different pieces; the stamp makes them different again.
const PIECES: usize = 32;

/// A volume in little memory: a few pieces over and over, each with its place written into it.
pub(crate) struct Content {
    size: u64,
    pieces: Vec<Vec<u8>>,
}

impl Content {
    pub(crate) fn new(size: u64) -> Self {
        let mut random = rand::rngs::SmallRng::seed_from_u64(size);
        let piece = |number: usize| {
            let mut piece = vec![0; PIECE];
            random.fill_bytes(&mut piece[..PIECE / 2]);
            for (line, place) in piece[PIECE / 2..].chunks_mut(64).enumerate() {
                let text = format!("{number:04}-{line:06} GET /v1/volumes/data-{:03} 200 aurochs/bench\n", line % 997);
                let length = place.len().min(text.len());
                place[..length].copy_from_slice(&text.as_bytes()[..length]);
            }
            piece
        };
        Self { size, pieces: (0..PIECES).map(piece).collect() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The MiB that begins there.
    pub(crate) fn piece(&self, offset: u64) -> Bytes {
        let mut piece = BytesMut::from(&self.pieces[(offset / PIECE as u64) as usize % PIECES][..]);
        piece[..8].copy_from_slice(&offset.to_le_bytes());
        piece.freeze()
    }

    /// A block in pieces, as a backup reads it.
    pub(crate) fn block(&self, number: u64) -> Vec<Bytes> {
        let start = number * BLOCK;
        (start..start + BLOCK).step_by(PIECE).map(|offset| self.piece(offset)).collect()
    }

    pub(crate) fn write_to(&self, path: &Path) {
        let mut file = File::create(path).unwrap();
        for offset in (0..self.size).step_by(PIECE) {
            file.write_all(&self.piece(offset)).unwrap();
        }
        file.sync_all().unwrap();
    }
}

impl BlockSource for Content {
    fn size(&self) -> u64 {
        self.size
    }

    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Ranges>, SourceError>> {
        let all = if from < self.size { vec![(from, self.size - from)] } else { Vec::new() };
        std::future::ready(Ok(base.is_none().then_some(all))).boxed()
    }

    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        assert_eq!(length as usize, PIECE, "a backup reads whole pieces");
        std::future::ready(Ok(self.piece(offset))).boxed()
    }
}
