//! Sets of regions as a replica tells them to an engine.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Regions in which this replica may differ from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirtyRegions {
    pub region_bytes: u64,
    /// Sixteen hexadecimal digits for 64 regions, the first one's in the lowest bit. Words that are zero are empty.
    words: Vec<String>,
}

/// What an absent replica misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedRegions {
    /// Generation of the membership in which it was no member any more.
    pub since: u64,
    pub regions: DirtyRegions,
}

impl DirtyRegions {
    pub(super) fn of_words(region_bytes: u64, words: impl Iterator<Item = u64>) -> Self {
        let text = |word: u64| if word == 0 { String::new() } else { format!("{word:016x}") };
        Self { region_bytes, words: words.map(text).collect() }
    }

    /// `None` where a word makes no sense.
    fn numbers(&self) -> Option<Vec<u64>> {
        let number = |text: &String| if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 16).ok() };
        self.words.iter().map(number).collect()
    }

    /// The regions of both. `None` where they are not of the same volume in the same size.
    #[must_use]
    pub fn union(&self, other: &Self) -> Option<Self> {
        if self.region_bytes != other.region_bytes || self.words.len() != other.words.len() {
            return None;
        }
        let words = self.numbers()?.into_iter().zip(other.numbers()?);
        Some(Self::of_words(self.region_bytes, words.map(|(one, other)| one | other)))
    }

    /// The regions as ranges of bytes, in order; they may reach past the end of the volume. `None` where they make no sense.
    #[must_use]
    pub fn ranges(&self) -> Option<Vec<Range<u64>>> {
        if self.region_bytes == 0 {
            return None;
        }
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (word, at) in self.numbers()?.into_iter().zip(0_u64..) {
            for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                let start = (at * 64 + bit).checked_mul(self.region_bytes)?;
                let end = start.checked_add(self.region_bytes)?;
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => ranges.push(start..end),
                }
            }
        }
        Some(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_has_the_regions_of_both() {
        let one = DirtyRegions::of_words(4096, [0b11, 0].into_iter());
        let other = DirtyRegions::of_words(4096, [0b110, 1 << 63].into_iter());
        let both = one.union(&other).unwrap();
        assert_eq!(both.ranges().unwrap(), [0..3 * 4096, 127 * 4096..128 * 4096]);
        assert_eq!(one.union(&DirtyRegions::of_words(8192, [0, 0].into_iter())), None, "of another size");
        assert_eq!(one.union(&DirtyRegions::of_words(4096, std::iter::once(0))), None, "of fewer regions");
        let nonsense = DirtyRegions { region_bytes: 4096, words: vec!["x".to_owned(), String::new()] };
        assert_eq!((nonsense.ranges(), one.union(&nonsense)), (None, None));
    }
}
