//! A set of regions, one bit each.

use std::ops::Range;

/// Bytes of a word.
pub(super) const WORD_BYTES: usize = 8;
const WORD_BITS: u64 = 64;

/// Regions of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    regions: u64,
}

impl Bits {
    pub(super) fn none(regions: u64) -> Self {
        Self { words: vec![0; regions.div_ceil(WORD_BITS) as usize], regions }
    }

    /// How many regions there are.
    pub(super) fn regions(&self) -> u64 {
        self.regions
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Takes all bits over; those past the last region are none.
    pub(super) fn take_words(&mut self, words: &[u64]) {
        self.words.copy_from_slice(words);
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.regions % WORD_BITS) {
            *last &= (1 << rest) - 1;
        }
    }

    pub(super) fn set(&mut self, regions: Range<u64>) {
        for (word, mask) in masks(regions) {
            self.words[word] |= mask;
        }
    }

    pub(super) fn covers(&self, regions: Range<u64>) -> bool {
        masks(regions).all(|(word, mask)| self.words[word] & mask == mask)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// The regions in it, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let words = self.words.iter().zip(0_u64..).filter(|(word, _)| **word != 0);
        words.flat_map(|(word, at)| {
            (0..WORD_BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * WORD_BITS + bit)
        })
    }
}

/// The words that a range of regions lies in, with its bits in each.
pub(super) fn masks(regions: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = regions;
    let words = if start < end { start / WORD_BITS..end.div_ceil(WORD_BITS) } else { 0..0 };
    words.map(move |word| {
        let first = start.max(word * WORD_BITS) % WORD_BITS;
        let count = end.min((word + 1) * WORD_BITS) - start.max(word * WORD_BITS);
        (word as usize, (u64::MAX >> (WORD_BITS - count)) << first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_set_bit_by_bit() {
        for start in 0..140 {
            for end in start..140 {
                let mut bits = Bits::none(140);
                bits.set(start..end);
                assert_eq!(bits.iter().collect::<Vec<_>>(), (start..end).collect::<Vec<_>>());
                assert!(bits.covers(start..end) && (end == 140 || !bits.covers(start..end + 1)));
            }
        }
    }

    #[test]
    fn bits_past_the_last_region_are_none() {
        let mut bits = Bits::none(70);
        bits.take_words(&[u64::MAX; 2]);
        assert_eq!(bits.iter().count(), 70);
    }
}
