//! Which blocks of a volume are where: the states of [`super`], without any I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use crate::backup::lazy::Urgency;
use crate::disk::BLOCK_SIZE;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Local,
    Remote,
    /// On all members, and in the map still.
    Fetched,
    /// A request has put its data in the place of all of it, which is not acknowledged and in the map still.
    Overwritten,
}

/// What has to come before a request that changes its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Go,
    /// Nothing; these are remote and overwritten as a whole, and it is acknowledged when they are committed.
    Overwrite(Vec<usize>),
    /// These have to be fetched. None: some have to be committed.
    Wait(Vec<usize>),
}

/// All blocks of one volume.
#[derive(Debug)]
pub(super) struct Blocks {
    block_size: u64,
    /// Bytes that the backup covers, whole blocks of 4096.
    size: u64,
    at: Vec<At>,
    remote: usize,
    /// Fetched or overwritten.
    uncommitted: BTreeSet<usize>,
    demanded: VecDeque<usize>,
    in_flight: BTreeSet<usize>,
    /// Why a block could not be fetched, and is not for a while unless it is demanded again.
    failed: BTreeMap<usize, String>,
    /// Where the background looks next.
    next: usize,
}

impl Blocks {
    /// Of a backup of so many bytes, with the blocks in `remote` not here.
    pub(super) fn new(size: u64, block_size: u64, remote: impl IntoIterator<Item = Range<usize>>) -> Self {
        let size = size.div_ceil(BLOCK_SIZE) * BLOCK_SIZE;
        let count = usize::try_from(size.div_ceil(block_size)).unwrap_or(usize::MAX);
        let mut at = vec![At::Local; count];
        for range in remote {
            at[range.start.min(count)..range.end.min(count)].fill(At::Remote);
        }
        let remote = at.iter().filter(|at| **at == At::Remote).count();
        Self {
            block_size,
            size,
            at,
            remote,
            uncommitted: BTreeSet::new(),
            demanded: VecDeque::new(),
            in_flight: BTreeSet::new(),
            failed: BTreeMap::new(),
            next: 0,
        }
    }

    pub(super) fn at(&self, block: usize) -> At {
        self.at.get(block).copied().unwrap_or(At::Local)
    }

    /// The bytes of a block.
    pub(super) fn span(&self, block: usize) -> Range<u64> {
        let start = block as u64 * self.block_size;
        start..(start + self.block_size).min(self.size)
    }

    fn touched(&self, offset: u64, length: u64) -> Range<usize> {
        let end = offset.saturating_add(length).min(self.size);
        if offset >= end {
            return 0..0;
        }
        let index = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        index(offset / self.block_size)..index(end.div_ceil(self.block_size))
    }

    /// The blocks that a read of the range has to wait for.
    pub(super) fn unreadable(&self, offset: u64, length: u64) -> Vec<usize> {
        let touched = self.touched(offset, length);
        touched.filter(|block| matches!(self.at(*block), At::Remote | At::Overwritten)).collect()
    }

    /// What a request has to wait for that changes the range; one that `replaces` it does not depend on what is there.
    pub(super) fn before_change(&self, offset: u64, length: u64, replaces: bool) -> Before {
        let (end, mut overwritten, mut missing, mut waits) =
            (offset.saturating_add(length), Vec::new(), Vec::new(), false);
        for block in self.touched(offset, length) {
            let span = self.span(block);
            match self.at(block) {
                At::Local => {}
                At::Remote if replaces && offset <= span.start && span.end <= end => overwritten.push(block),
                At::Remote => missing.push(block),
                At::Fetched | At::Overwritten => waits = true,
            }
        }
        match (waits || !missing.is_empty(), overwritten.is_empty()) {
            (true, _) => Before::Wait(missing),
            (false, false) => Before::Overwrite(overwritten),
            (false, true) => Before::Go,
        }
    }

    fn set(&mut self, block: usize, at: At) {
        let Some(place) = self.at.get_mut(block) else { return };
        let before = std::mem::replace(place, at);
        self.remote = self.remote + usize::from(at == At::Remote) - usize::from(before == At::Remote);
        if matches!(at, At::Fetched | At::Overwritten) {
            self.uncommitted.insert(block);
        } else {
            self.uncommitted.remove(&block);
        }
        if at != At::Remote {
            self.failed.remove(&block);
        }
    }

    pub(super) fn fetched(&mut self, block: usize) {
        if self.at(block) == At::Remote {
            self.set(block, At::Fetched);
        }
    }

    pub(super) fn overwritten(&mut self, blocks: &[usize]) {
        for block in blocks.iter().copied().filter(|block| self.at(*block) == At::Remote).collect::<Vec<_>>() {
            self.set(block, At::Overwritten);
        }
    }

    /// The map without them is durable on all members.
    pub(super) fn committed(&mut self, blocks: &[usize]) {
        for block in blocks {
            self.set(*block, At::Local);
        }
    }

    /// Their commit failed, and so will the request that overwrote them.
    pub(super) fn not_overwritten(&mut self, blocks: &[usize]) {
        for block in blocks.iter().copied().filter(|block| self.at(*block) == At::Overwritten).collect::<Vec<_>>() {
            self.set(block, At::Remote);
        }
    }

    pub(super) fn are_local(&self, blocks: &[usize]) -> bool {
        blocks.iter().all(|block| self.at(*block) == At::Local)
    }

    /// What a commit can take out of the map.
    pub(super) fn uncommitted(&self) -> Vec<usize> {
        self.uncommitted.iter().copied().collect()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.remote == 0 && self.uncommitted.is_empty()
    }

    pub(super) fn has_remote(&self) -> bool {
        self.remote > 0
    }

    /// Runs of blocks that are in the map when `without` have left it.
    pub(super) fn in_map(&self, without: &[usize]) -> Vec<Range<usize>> {
        let left: BTreeSet<usize> = without.iter().copied().collect();
        runs(self.at.len(), |block| self.at(block) != At::Local && !left.contains(&block))
    }

    /// Byte ranges of blocks that are not readable, within a range.
    pub(super) fn parts(&self, offset: u64, length: u64) -> Vec<Range<u64>> {
        let (touched, end) = (self.touched(offset, length), offset.saturating_add(length));
        let first = touched.start;
        let found = runs(touched.len(), |index| matches!(self.at(first + index), At::Remote | At::Overwritten));
        let bytes = found
            .into_iter()
            .map(|run| self.span(first + run.start).start.max(offset)..self.span(first + run.end - 1).end.min(end));
        bytes.collect()
    }

    pub(super) fn remote_bytes(&self) -> u64 {
        let whole = self.remote as u64 * self.block_size;
        let last = self.at.len().wrapping_sub(1);
        let cut_off = if self.at(last) == At::Remote && self.remote > 0 {
            self.at.len() as u64 * self.block_size - self.size
        } else {
            0
        };
        whole - cut_off
    }

    /// Somebody waits for these blocks, which go before all others. What failed before is tried again.
    pub(super) fn demand(&mut self, blocks: &[usize]) {
        for block in blocks {
            self.failed.remove(block);
            let is_on_its_way = self.in_flight.contains(block) || self.demanded.contains(block);
            if self.at(*block) == At::Remote && !is_on_its_way {
                self.demanded.push_back(*block);
            }
        }
    }

    /// Why one of these can't be fetched, if that is so.
    pub(super) fn why_not(&self, blocks: &[usize]) -> Option<String> {
        blocks.iter().find_map(|block| self.failed.get(block).cloned())
    }

    /// The block to fetch next, which is in flight now. `ahead`: also one that nobody waits for.
    pub(super) fn take_next(&mut self, ahead: bool) -> Option<(usize, Urgency)> {
        while let Some(block) = self.demanded.pop_front() {
            if self.at(block) == At::Remote && self.in_flight.insert(block) {
                return Some((block, Urgency::Demanded));
            }
        }
        if !ahead || self.remote == 0 {
            return None;
        }
        let count = self.at.len();
        let order = (self.next..count).chain(0..self.next.min(count));
        let mut fresh = order.filter(|block| {
            self.at(*block) == At::Remote && !self.in_flight.contains(block) && !self.failed.contains_key(block)
        });
        let block = fresh.next()?;
        self.next = block + 1;
        self.in_flight.insert(block);
        Some((block, Urgency::Ahead))
    }

    /// A fetch has ended, well or with why not. One that is worth trying again soon and was demanded stays so.
    pub(super) fn ended(&mut self, block: usize, urgency: Urgency, outcome: Result<(), (String, bool)>) {
        self.in_flight.remove(&block);
        if self.at(block) != At::Remote {
            return;
        }
        match outcome {
            Ok(()) => {}
            Err((_, true)) if urgency == Urgency::Demanded => self.demanded.push_front(block),
            Err((_, true)) => self.next = self.next.min(block),
            Err((why, false)) => {
                self.failed.insert(block, why);
            }
        }
    }

    /// What could not be fetched is tried again.
    pub(super) fn forget_failures(&mut self) {
        self.failed.clear();
    }

    /// Nothing is on its way any more: its worker has ended.
    pub(super) fn nothing_in_flight(&mut self) {
        self.in_flight.clear();
        self.failed.clear();
    }

    pub(super) fn failures(&self) -> usize {
        self.failed.len()
    }
}

fn runs(count: usize, is_in: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for index in (0..count).filter(|index| is_in(*index)) {
        match runs.last_mut() {
            Some(last) if last.end == index => last.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 64 << 10;

    /// Four blocks, the last one cut off after 4096 bytes; the second is local.
    fn blocks() -> Blocks {
        Blocks::new(3 * BLOCK + 100, BLOCK, [0..1, 2..4])
    }

    #[test]
    fn requests_wait_for_what_is_remote() {
        let blocks = blocks();
        assert_eq!(blocks.unreadable(0, 4 * BLOCK), [0, 2, 3]);
        assert!(blocks.unreadable(BLOCK, BLOCK).is_empty());
        assert!(blocks.unreadable(3 * BLOCK + 4096, BLOCK).is_empty(), "past the end of the backup nothing is remote");
        assert_eq!(blocks.before_change(0, BLOCK - 4096, true), Before::Wait(vec![0]));
        assert_eq!(blocks.before_change(0, BLOCK, true), Before::Overwrite(vec![0]));
        assert_eq!(blocks.before_change(0, BLOCK, false), Before::Wait(vec![0]), "it depends on what is there");
        assert_eq!(blocks.before_change(BLOCK, 4096, true), Before::Go);
        assert_eq!(blocks.before_change(2 * BLOCK, BLOCK + 4096, true), Before::Overwrite(vec![2, 3]));
        assert_eq!(blocks.before_change(2 * BLOCK, BLOCK + 512, true), Before::Wait(vec![3]));
        assert_eq!(blocks.remote_bytes(), 2 * BLOCK + 4096);
        assert_eq!(blocks.parts(100, 4 * BLOCK), [100..BLOCK, 2 * BLOCK..3 * BLOCK + 4096]);
    }

    #[test]
    fn a_block_is_changed_only_when_it_has_left_the_map() {
        let mut blocks = blocks();
        blocks.fetched(0);
        assert!(blocks.unreadable(0, BLOCK).is_empty());
        assert_eq!(blocks.before_change(0, 512, true), Before::Wait(vec![]), "fetched and in the map (L1)");
        assert_eq!(blocks.before_change(0, BLOCK, true), Before::Wait(vec![]));
        assert_eq!(blocks.in_map(&[]), [0..1, 2..4]);
        assert!(blocks.in_map(&blocks.uncommitted()).into_iter().eq(std::iter::once(2..4)));
        blocks.committed(&[0]);
        assert_eq!(blocks.before_change(0, 512, true), Before::Go);
    }

    #[test]
    fn what_is_overwritten_is_not_read_before_it_is_committed() {
        let mut blocks = blocks();
        blocks.overwritten(&[2]);
        assert_eq!(blocks.unreadable(2 * BLOCK, 512), [2]);
        blocks.not_overwritten(&[2]);
        assert_eq!(blocks.at(2), At::Remote);
        blocks.overwritten(&[2]);
        blocks.committed(&[2]);
        blocks.not_overwritten(&[2]);
        assert_eq!(blocks.at(2), At::Local, "somebody else's commit took it along");
    }

    #[test]
    fn demanded_blocks_go_first_and_none_twice() {
        let mut blocks = Blocks::new(8 * BLOCK, BLOCK, std::iter::once(0..8));
        assert_eq!(blocks.take_next(false), None);
        assert_eq!(blocks.take_next(true), Some((0, Urgency::Ahead)));
        blocks.demand(&[5, 0, 5]);
        assert_eq!(blocks.take_next(true), Some((5, Urgency::Demanded)), "0 is on its way");
        blocks.ended(5, Urgency::Demanded, Err(("down".into(), true)));
        assert_eq!(blocks.take_next(false), Some((5, Urgency::Demanded)), "somebody waits for it still");
        blocks.ended(5, Urgency::Demanded, Err(("missing".into(), false)));
        assert_eq!(blocks.why_not(&[5]), Some("missing".into()));
        assert_eq!(blocks.take_next(false), None);
        blocks.demand(&[5]);
        assert_eq!(blocks.why_not(&[5]), None);
        blocks.ended(0, Urgency::Ahead, Err(("down".into(), true)));
        assert_eq!(blocks.take_next(false), Some((5, Urgency::Demanded)));
        let ahead: Vec<_> = std::iter::from_fn(|| blocks.take_next(true)).map(|(block, _)| block).collect();
        assert_eq!(ahead, [0, 1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn it_is_complete_when_nothing_is_in_the_map() {
        let mut blocks = Blocks::new(2 * BLOCK, BLOCK, std::iter::once(0..2));
        blocks.fetched(0);
        blocks.overwritten(&[1]);
        assert!(!blocks.is_complete() && !blocks.has_remote());
        blocks.committed(&[0, 1]);
        assert!(blocks.is_complete());
        assert_eq!((blocks.remote_bytes(), blocks.in_map(&[])), (0, vec![]));
    }
}
