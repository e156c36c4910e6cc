//! What the log says: which regions are dirty here, and which ones a replica misses that has left.

use std::ops::Range;

use super::bits::Bits;

/// As many absent replicas are kept apart; who has left first is forgotten, and copied in full when it comes back.
pub(super) const MOST_ABSENT: usize = 4;
/// Longest name of a replica in the log, in bytes. One with a longer name is copied in full.
pub(super) const LONGEST_NAME: usize = 119;

/// The regions that a replica misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) replica: String,
    /// Generation of the membership in which it was not a member any more.
    pub(super) since: u64,
    pub(super) regions: Bits,
}

/// All sets of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) dirty: Bits,
    pub(super) missed: Vec<Missed>,
}

impl Content {
    pub(super) fn dirty(dirty: Bits) -> Self {
        Self { dirty, missed: Vec::new() }
    }

    /// Whether a change of these regions has been taken down for everybody.
    pub(super) fn covers(&self, regions: Range<u64>) -> bool {
        self.sets().all(|set| set.covers(regions.clone()))
    }

    /// Takes a change down for everybody.
    pub(super) fn add(&mut self, regions: &Bits) {
        self.dirty.add(regions);
        self.missed.iter_mut().for_each(|missed| missed.regions.add(regions));
    }

    /// In the order of the file: what is dirty comes first.
    pub(super) fn sets(&self) -> impl Iterator<Item = &Bits> {
        std::iter::once(&self.dirty).chain(self.missed.iter().map(|missed| &missed.regions))
    }

    /// From now on everything is taken down that `replica` misses. What is dirty may have been on its way to it. False where
    /// that cannot be.
    pub(super) fn begin_to_miss(&mut self, replica: &str, since: u64) -> bool {
        if replica.is_empty() || replica.len() > LONGEST_NAME {
            return false;
        }
        if let Some(missed) = self.missed.iter_mut().find(|missed| missed.replica == replica) {
            // It was a member again, and that this was to be forgotten got lost: what it missed before is too much, and no harm.
            missed.since = missed.since.max(since);
            missed.regions.add(&self.dirty);
            return true;
        }
        if self.missed.len() == MOST_ABSENT
            && let Some(first) = (0..MOST_ABSENT).min_by_key(|at| self.missed[*at].since)
        {
            self.missed.remove(first);
        }
        self.missed.push(Missed { replica: replica.to_owned(), since, regions: self.dirty.clone() });
        true
    }

    pub(super) fn missed(&self, replica: &str) -> Option<&Missed> {
        self.missed.iter().find(|missed| missed.replica == replica)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(dirty: &[u64]) -> Content {
        let mut bits = Bits::none(100);
        dirty.iter().for_each(|region| bits.set(*region..*region + 1));
        Content::dirty(bits)
    }

    #[test]
    fn who_leaves_misses_what_is_dirty_and_what_changes_afterwards() {
        let mut log = content(&[3]);
        assert!(log.begin_to_miss("a", 7));
        log.add(&content(&[5]).dirty);
        log.dirty = Bits::none(100);
        assert!(log.begin_to_miss("b", 9));
        log.add(&content(&[8]).dirty);
        let missed = |replica: &str| {
            let missed = log.missed(replica).unwrap();
            (missed.since, missed.regions.iter().collect::<Vec<_>>())
        };
        assert_eq!((missed("a"), missed("b")), ((7, vec![3, 5, 8]), (9, vec![8])));
        assert!(log.covers(8..9) && !log.covers(5..6) && !log.covers(8..10));
        log.dirty.set(70..71);
        assert!(log.begin_to_miss("a", 10), "once more");
        let again = log.missed("a").unwrap();
        assert_eq!((again.since, again.regions.iter().collect::<Vec<_>>()), (10, vec![3, 5, 8, 70]));
    }

    #[test]
    fn who_left_first_is_forgotten_first() {
        let mut log = content(&[]);
        for (replica, since) in [("b", 2), ("a", 1), ("c", 3), ("d", 4), ("e", 5)] {
            assert!(log.begin_to_miss(replica, since));
        }
        let names: Vec<&str> = log.missed.iter().map(|missed| missed.replica.as_str()).collect();
        assert_eq!(names, ["b", "c", "d", "e"]);
        assert!(!log.begin_to_miss(&"x".repeat(LONGEST_NAME + 1), 9) && !log.begin_to_miss("", 9));
    }
}
