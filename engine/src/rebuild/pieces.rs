//! What of a layer is moved at once.
//!
//! A piece has up to [`PIECE`] bytes of data. Where a layer holds many small extents it takes several of them, and their
//! data travel together: moving a piece costs more than a few blocks.

use std::iter::Peekable;

use super::pace::PIECE;
use crate::disk::gathered::HOLE_MAXIMUM;
use crate::link::LinkError;
use crate::link::bulk::BulkLink;
use crate::link::extents::ExtentPages;
use crate::link::parts::{self, PARTS_MAXIMUM, Parts};

/// Extents of a piece that the source does not read together with those before them. It reads them one after the other, so
/// what many pieces at the same time gain is not lost to long ones.
const FAR_MAXIMUM: usize = 31;
/// From the first byte of a piece to the beginning of its last part, at most; parts count in 32 bits.
const SPAN_MAXIMUM: u64 = 1 << 30;

/// Parts of one layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    /// Counted from `offset`.
    pub(super) parts: Parts,
}

impl Piece {
    fn at(offset: u64) -> Self {
        Self { offset, parts: Parts::new() }
    }

    /// Of data.
    pub(super) fn bytes(&self) -> u32 {
        parts::bytes_of(&self.parts)
    }
}

/// A piece to which extents are added.
struct Filling {
    piece: Piece,
    bytes: u32,
    far: usize,
}

impl Filling {
    fn at(offset: u64) -> Self {
        Self { piece: Piece::at(offset), bytes: 0, far: 0 }
    }

    /// Takes as much of the extent as there is room for; returns what is left of it.
    fn take(&mut self, (offset, length): (u64, u64)) -> (u64, u64) {
        self.far += usize::from(self.is_far(offset));
        // Only extents that begin within the span are taken.
        let start = (offset - self.piece.offset) as u32;
        let taken = length.min(u64::from(PIECE - self.bytes));
        self.piece.parts.push(start..start + taken as u32);
        self.bytes += taken as u32;
        (offset + taken, length - taken)
    }

    fn is_far(&self, offset: u64) -> bool {
        let end = self.piece.parts.last().map_or(0, |part| part.end);
        offset - self.piece.offset - u64::from(end) > u64::from(HOLE_MAXIMUM)
    }

    /// Whether what begins at `offset` may come along.
    fn reaches(&self, offset: u64) -> bool {
        self.bytes < PIECE
            && self.piece.parts.len() < PARTS_MAXIMUM
            && offset - self.piece.offset < SPAN_MAXIMUM
            && (self.far < FAR_MAXIMUM || !self.is_far(offset))
    }
}

/// The pieces of a layer, in order.
pub(super) struct Pieces {
    pages: ExtentPages,
    extents: Peekable<std::vec::IntoIter<(u64, u64)>>,
    /// What is left of the extent that is being cut up.
    rest: (u64, u64),
}

impl Pieces {
    pub(super) fn of(layer: &str) -> Self {
        Self { pages: ExtentPages::of(layer), extents: Vec::new().into_iter().peekable(), rest: (0, 0) }
    }

    pub(super) async fn next(&mut self, source: &BulkLink) -> Result<Option<Piece>, LinkError> {
        loop {
            if let Some(piece) = self.next_of_page() {
                return Ok(Some(piece));
            }
            let Some(request) = self.pages.next_request() else { return Ok(None) };
            self.extents = self.pages.take(source.name(), source.control(&request).await?)?.into_iter().peekable();
        }
    }

    /// `None` when all extents that are known are given out.
    fn next_of_page(&mut self) -> Option<Piece> {
        if self.rest.1 == 0 {
            self.rest = self.extents.next()?;
        }
        let mut filling = Filling::at(self.rest.0);
        self.rest = filling.take(self.rest);
        while self.rest.1 == 0 {
            let Some(extent) = self.extents.next_if(|&(offset, _)| filling.reaches(offset)) else { break };
            self.rest = filling.take(extent);
        }
        Some(filling.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const BLOCK: u64 = 4096;

    fn pieces(extents: &[(u64, u64)]) -> Vec<Piece> {
        let mut pieces = Pieces::of("layer");
        pieces.extents = extents.to_vec().into_iter().peekable();
        std::iter::from_fn(|| pieces.next_of_page()).collect()
    }

    /// Every byte of the extents once, in order, and no piece too large.
    fn check(extents: &[(u64, u64)]) -> Vec<Piece> {
        let pieces = pieces(extents);
        let mut covered: Vec<(u64, u64)> = Vec::new();
        for piece in &pieces {
            assert!(piece.bytes() <= PIECE && piece.parts.len() <= PARTS_MAXIMUM && piece.parts[0].start == 0);
            for part in &piece.parts {
                let (start, length) = (piece.offset + u64::from(part.start), u64::from(part.end - part.start));
                match covered.last_mut() {
                    Some((from, before)) if *from + *before == start => *before += length,
                    _ => covered.push((start, length)),
                }
            }
        }
        assert_eq!(covered, extents);
        pieces
    }

    #[test]
    fn a_long_extent_is_cut_and_its_end_goes_with_what_follows() {
        assert_eq!(check(&[(MIB, 3 * MIB)]).len(), 3);
        assert_eq!(check(&[(0, MIB + 2 * BLOCK), (2 * MIB, BLOCK)]).len(), 2);
        assert!(check(&[]).is_empty());
    }

    #[test]
    fn small_extents_beside_each_other_fill_a_piece() {
        let every_other: Vec<_> = (0..1024).map(|index| (index * 2 * BLOCK, BLOCK)).collect();
        let pieces = check(&every_other);
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().all(|piece| piece.bytes() == PIECE));
    }

    #[test]
    fn far_extents_share_a_piece_as_long_as_they_are_few() {
        let far: Vec<_> = (0..64).map(|index| (index * MIB, BLOCK)).collect();
        assert_eq!(check(&far).len(), 64 / (FAR_MAXIMUM + 1));
        assert_eq!(check(&[(0, BLOCK), (SPAN_MAXIMUM, BLOCK)]).len(), 2);
        assert_eq!(check(&[(0, BLOCK), (u64::from(u32::MAX) * BLOCK, BLOCK)]).len(), 2);
    }
}
