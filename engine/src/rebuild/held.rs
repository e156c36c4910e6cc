//! What of a head has to be copied to a replica that catches up.
//!
//! Say that neither the member nor the replica holds a block in its head, nor in a removed layer directly below it. Then both show
//! what is seen from the first live layer, which is the same on both: there is nothing to copy. So the rest is what either of
//! them holds there, and a replica's head takes no more room than the member's.
//!
//! That may be looked at while requests go on: one that comes after the replica has joined reaches both.

use std::ops::Range;

use super::pace::PIECE;
use crate::link::extents::ExtentPages;
use crate::link::{LinkError, ReplicaLink};
use crate::replica::tree::Tree;
use crate::volume::start;

/// Bytes of the volume that somebody holds, within ranges.
pub(super) struct Held {
    /// In order, apart from each other.
    within: Vec<Range<u64>>,
    found: Vec<Range<u64>>,
}

/// What is read at once, and in one turn: parts within a MiB.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// In order, and not empty.
    pub(super) parts: Vec<Range<u64>>,
}

impl Piece {
    /// From the first byte to the last one: where it begins, and how long it is.
    pub(super) fn span(&self) -> (u64, u64) {
        let start = self.parts.first().map_or(0, |part| part.start);
        let end = self.parts.last().map_or(start, |part| part.end);
        (start, end - start)
    }

    /// Of its parts.
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }
}

impl Held {
    /// `within` is in order, and its ranges are apart from each other.
    pub(super) fn within(within: &[Range<u64>]) -> Self {
        Self { within: within.to_vec(), found: Vec::new() }
    }

    /// Adds what this replica holds in its head and in the removed layers directly below.
    pub(super) async fn look_at(&mut self, link: &ReplicaLink) -> Result<(), LinkError> {
        let layers = start::ask_layers(link).await?;
        for layer in Tree::of_layers(&layers).unsettled() {
            let mut pages = ExtentPages::of(layer);
            while let Some(request) = pages.next_request() {
                for (offset, length) in pages.take(link.name(), link.control(&request).await?)? {
                    self.add(offset..offset + length);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, extent: Range<u64>) {
        let first = self.within.partition_point(|range| range.end <= extent.start);
        let touched = self.within[first..].iter().take_while(|range| range.start < extent.end);
        self.found.extend(touched.map(|range| range.start.max(extent.start)..range.end.min(extent.end)));
    }

    pub(super) fn pieces(mut self) -> Vec<Piece> {
        let piece = u64::from(PIECE);
        self.found.sort_unstable_by_key(|range| range.start);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut done = 0;
        for range in self.found {
            let mut at = range.start.max(done);
            while at < range.end {
                let end = (at / piece + 1).saturating_mul(piece).min(range.end);
                match pieces.last_mut() {
                    Some(Piece { parts }) if parts.last().is_some_and(|last| last.start / piece == at / piece) => {
                        match parts.last_mut() {
                            Some(last) if last.end == at => last.end = end,
                            _ => parts.push(at..end),
                        }
                    }
                    _ => pieces.push(Piece { parts: std::iter::once(at..end).collect() }),
                }
                at = end;
            }
            done = done.max(range.end);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const BLOCK: u64 = 4096;

    /// Every held byte of the ranges once, in order, and no piece larger than a MiB.
    #[test]
    fn pieces_are_what_is_held_within_the_ranges() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut regions: Vec<u64> = (0..8).filter(|_| random(2) == 1).collect();
            regions.dedup();
            let within: Vec<_> = regions.iter().map(|region| region * MIB..(region + 1) * MIB).collect();
            let mut held = Held::within(&within);
            let mut expected = std::collections::BTreeSet::new();
            for _ in 0..random(12) {
                let (start, count) = (random(2048), random(600) + 1);
                held.add(start * BLOCK..(start + count) * BLOCK);
                expected.extend((start..start + count).filter(|block| regions.contains(&(block / 256))));
            }
            let pieces = held.pieces();
            let parts: Vec<_> = pieces.iter().flat_map(|piece| &piece.parts).cloned().collect();
            let found: Vec<u64> = parts.iter().flat_map(|part| part.start / BLOCK..part.end / BLOCK).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            for piece in pieces {
                let (start, length) = piece.span();
                assert_eq!(start / MIB, (start + length - 1) / MIB);
                assert!(piece.parts.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
