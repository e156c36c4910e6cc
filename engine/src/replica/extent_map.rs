//! Ranges of blocks with a value each: which blocks a layer holds, or which layer holds a block.
//!
//! Neighbours with the same value are one entry, so that the map's size follows the fragmentation of the images and
//! not the size of the volume: an empty 1 TiB volume is no entry, a full one is one.

use std::collections::BTreeMap;
use std::ops::Range;

/// Block numbers, counted in units of [`crate::disk::BLOCK_SIZE`].
pub(crate) type Blocks = Range<u64>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtentMap<V> {
    /// First block → (block after the last, value). Entries never overlap, and touching ones differ in value.
    entries: BTreeMap<u64, (u64, V)>,
}

impl<V> Default for ExtentMap<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<V: Copy + PartialEq> ExtentMap<V> {
    /// Gives all of `blocks` the value.
    pub(crate) fn assign(&mut self, blocks: Blocks, value: V) {
        if blocks.is_empty() {
            return;
        }
        self.remove(blocks.clone());
        let Range { mut start, mut end } = blocks;
        if let Some((&before, &(before_end, before_value))) = self.entries.range(..start).next_back()
            && before_end == start
            && before_value == value
        {
            start = before;
        }
        if let Some(&(after_end, after_value)) = self.entries.get(&end)
            && after_value == value
        {
            self.entries.remove(&end);
            end = after_end;
        }
        self.entries.insert(start, (end, value));
    }

    /// Takes `blocks` out of the map.
    pub(crate) fn remove(&mut self, blocks: Blocks) {
        let Range { start, end } = blocks;
        if start >= end {
            return;
        }
        if let Some((_, entry)) = self.entries.range_mut(..start).next_back()
            && entry.0 > start
        {
            let (entry_end, value) = *entry;
            entry.0 = start;
            if entry_end > end {
                self.entries.insert(end, (entry_end, value));
                return;
            }
        }
        while let Some((&first, &(last, value))) = self.entries.range(start..end).next() {
            self.entries.remove(&first);
            if last > end {
                self.entries.insert(end, (last, value));
            }
        }
    }

    /// Replaces every value by what `new` makes of it.
    pub(crate) fn renumber(&mut self, new: impl Fn(V) -> V) {
        let mut renumbered: Vec<(u64, (u64, V))> = Vec::with_capacity(self.entries.len());
        for (&start, &(end, value)) in &self.entries {
            let value = new(value);
            match renumbered.last_mut() {
                Some((_, (last, same))) if *last == start && *same == value => *last = end,
                _ => renumbered.push((start, (end, value))),
            }
        }
        self.entries = renumbered.into_iter().collect();
    }

    /// Whether one entry covers all of `blocks`: the fast path of a write into space already allocated.
    pub(crate) fn covers(&self, blocks: &Blocks) -> bool {
        self.entries.range(..=blocks.start).next_back().is_some_and(|(_, &(end, _))| end >= blocks.end)
    }

    /// All of `blocks` in order, cut where the value changes; `None` where the map has nothing.
    pub(crate) fn segments(&self, blocks: Blocks) -> Vec<(Blocks, Option<V>)> {
        let mut found = Vec::new();
        let mut at = blocks.start;
        let before = self.entries.range(..blocks.start).next_back();
        for (&first, &(last, value)) in
            before.into_iter().chain(self.entries.range(blocks.start..blocks.end.max(blocks.start)))
        {
            let (first, last) = (first.max(at), last.min(blocks.end));
            if first >= last {
                continue;
            }
            if at < first {
                found.push((at..first, None));
            }
            found.push((first..last, Some(value)));
            at = last;
        }
        if at < blocks.end {
            found.push((at..blocks.end, None));
        }
        found
    }

    /// How many of `blocks` have a value.
    pub(crate) fn count(&self, blocks: Blocks) -> u64 {
        self.segments(blocks).iter().filter(|(_, value)| value.is_some()).map(|(part, _)| part.end - part.start).sum()
    }

    /// Every entry, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Blocks, V)> + '_ {
        self.entries.iter().map(|(&start, &(end, value))| (start..end, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_of_one_value_are_one_entry() {
        let mut map = ExtentMap::default();
        for block in (0..1000).rev() {
            map.assign(block..block + 1, 1_u8);
        }
        assert_eq!(map.entries().collect::<Vec<_>>(), [(0..1000, 1)]);
        assert!(map.covers(&(0..1000)) && !map.covers(&(0..1001)));
    }

    #[test]
    fn renumbered_neighbours_of_one_value_are_one_entry() {
        let mut map = ExtentMap::default();
        for (blocks, value) in [(0..2, 0), (2..4, 1), (4..6, 2), (8..9, 1)] {
            map.assign(blocks, value);
        }
        map.renumber(|value: u8| value.saturating_sub(1));
        assert_eq!(map.entries().collect::<Vec<_>>(), [(0..4, 0), (4..6, 1), (8..9, 0)]);
    }

    proptest! {
        #[test]
        fn behaves_as_an_array(steps in proptest::collection::vec((0_u64..64, 0_u64..24, 0_u8..4), 0..40)) {
            let mut array = [None; 96];
            let mut map = ExtentMap::default();
            for (start, length, value) in steps {
                let blocks = start..start + length;
                // Value 0 stands for taking out.
                let value = (value > 0).then_some(value);
                match value {
                    Some(value) => map.assign(blocks.clone(), value),
                    None => map.remove(blocks.clone()),
                }
                for block in blocks {
                    array[block as usize] = value;
                }
                let mut expected: Vec<(Blocks, Option<u8>)> = Vec::new();
                for (block, &value) in array.iter().enumerate() {
                    match expected.last_mut() {
                        Some((range, last)) if *last == value => range.end += 1,
                        _ => expected.push((block as u64..block as u64 + 1, value)),
                    }
                }
                prop_assert_eq!(&map.segments(0..96), &expected);
                prop_assert_eq!(map.count(3..77), array[3..77].iter().flatten().count() as u64);
                for window in [5_u64..5, 5..6, 10..40] {
                    let pieces = map.segments(window.clone());
                    let flat: Vec<_> = pieces.iter().flat_map(|(part, value)| part.clone().map(move |_| *value)).collect();
                    prop_assert_eq!(&flat[..], &array[window.start as usize..window.end as usize]);
                }
            }
        }
    }
}
