//! The regions whose bytes may differ between members.
//!
//! Kept as ranges: after an unclean stop of a full volume of 16 TiB the set holds one entry, not 16 million.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Unit of comparing, in bytes: one request to each member, short enough not to hold a reader up.
pub(crate) const REGION: u64 = 1 << 20;

/// A set of region numbers.
#[derive(Default)]
pub(crate) struct Unequal {
    /// True while the set holds anything: spares the common case the lock.
    any: AtomicBool,
    /// Start → end (exclusive) of ranges that neither overlap nor touch.
    ranges: Mutex<BTreeMap<u64, u64>>,
    added: Notify,
}

/// The regions that a byte range touches.
pub(crate) fn regions(offset: u64, length: u64) -> Range<u64> {
    offset / REGION..(offset + length).div_ceil(REGION)
}

impl Unequal {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        let mut new = regions(offset, length);
        let mut ranges = self.lock();
        // Swallows every range that overlaps or touches the new one.
        while let Some((&start, &end)) = ranges.range(..=new.end).next_back().filter(|(_, end)| **end >= new.start) {
            new = new.start.min(start)..new.end.max(end);
            ranges.remove(&start);
        }
        ranges.insert(new.start, new.end);
        self.any.store(true, Ordering::Release);
        drop(ranges);
        self.added.notify_one();
    }

    pub(crate) fn touches(&self, offset: u64, length: u64) -> bool {
        if length == 0 || !self.any.load(Ordering::Acquire) {
            return false;
        }
        let wanted = regions(offset, length);
        self.lock().range(..wanted.end).next_back().is_some_and(|(_, end)| *end > wanted.start)
    }

    /// The parts of a byte range that may differ, in order.
    pub(crate) fn parts(&self, offset: u64, length: u64) -> Vec<Range<u64>> {
        if !self.touches(offset, length) {
            return Vec::new();
        }
        let end = offset + length;
        let ranges = self.lock();
        // Ranges neither overlap nor touch, so only the last one that starts before `offset` can reach into it.
        let first = ranges.range(..=offset / REGION).next_back().map_or(0, |(start, _)| *start);
        let parts = ranges.range(first..end.div_ceil(REGION));
        let parts = parts.map(|(from, to)| (from * REGION).max(offset)..(to * REGION).min(end));
        parts.filter(|part| part.start < part.end).collect()
    }

    pub(crate) fn contains(&self, region: u64) -> bool {
        self.lock().range(..=region).next_back().is_some_and(|(_, end)| *end > region)
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.lock().first_key_value().map(|(start, _)| *start)
    }

    /// How many regions it holds.
    pub(crate) fn left(&self) -> u64 {
        self.lock().iter().map(|(start, end)| end - start).sum()
    }

    pub(crate) fn remove(&self, region: u64) {
        let mut ranges = self.lock();
        let found = ranges.range(..=region).next_back().map(|(start, end)| (*start, *end));
        let Some((start, end)) = found.filter(|(_, end)| *end > region) else { return };
        ranges.remove(&start);
        if start < region {
            ranges.insert(start, region);
        }
        if region + 1 < end {
            ranges.insert(region + 1, end);
        }
        if ranges.is_empty() {
            self.any.store(false, Ordering::Release);
        }
    }

    /// Resolves when something came in since it last did.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_of_regions() {
        for seed in 0..200_u64 {
            let (set, mut model, mut state) = (Unequal::default(), BTreeSet::new(), seed * 2 + 1);
            for _ in 0..60 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (offset, length) = ((state >> 33) % (40 * REGION), (state >> 20) % (5 * REGION));
                if state >> 62 == 0 {
                    let region = offset / REGION;
                    set.remove(region);
                    model.remove(&region);
                } else if length > 0 {
                    set.add(offset, length);
                    model.extend(regions(offset, length));
                }
                assert_eq!(set.left(), model.len() as u64, "seed {seed}");
                assert_eq!(set.first(), model.first().copied(), "seed {seed}");
                for region in 0..46 {
                    assert_eq!(set.contains(region), model.contains(&region), "seed {seed}, region {region}");
                    let touched = set.touches(region * REGION + REGION / 2, REGION);
                    assert_eq!(touched, model.contains(&region) || model.contains(&(region + 1)), "seed {seed}");
                }
                let (from, length) = (offset + 100, length + 1);
                let inside = |at: u64| set.parts(from, length).iter().any(|part| part.contains(&at));
                for at in (from..from + length).step_by(REGION as usize / 2).chain([from + length - 1]) {
                    assert_eq!(inside(at), model.contains(&(at / REGION)), "seed {seed}, byte {at}");
                }
                assert!(!inside(from - 1) && !inside(from + length), "seed {seed}");
                let ranges = set.lock();
                let apart = ranges.iter().zip(ranges.keys().skip(1)).all(|((_, end), next)| end < next);
                assert!(apart, "seed {seed}: {ranges:?}");
            }
        }
    }

    #[test]
    fn a_full_volume_of_16_tib_is_one_entry() {
        let set = Unequal::default();
        for start in (0..16_u64 << 40).step_by(1 << 33) {
            set.add(start, 1 << 33);
        }
        assert_eq!(set.left(), 1 << 24);
        assert_eq!(set.lock().len(), 1);
    }
}
