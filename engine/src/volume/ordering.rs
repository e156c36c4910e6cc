//! Order of overlapping requests.
//!
//! Invariant: two requests that touch a common block, at least one of them a write, are never in flight at the same
//! time; they go in the order of their arrival. So all replicas apply overlapping writes in one order, a
//! read-modify-write of a block on a replica is alone with that block, and a read never sees a write on one replica
//! that a later read misses on another.
//!
//! A barrier (snapshot, join, revert) is a write to everything: it waits for all that came before and holds back all
//! that comes after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::disk::BLOCK_SIZE;

/// What a request does to its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Hands out turns. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ordering {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    next: u64,
    /// By arrival: requests in flight (`blockers == 0`) and waiting ones. Reads stand here only while they wait.
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    range: BlockRange,
    access: Access,
    blockers: usize,
    wake: Option<oneshot::Sender<()>>,
}

/// Whole blocks, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockRange {
    start: u64,
    end: u64,
}

impl BlockRange {
    fn of(offset: u64, length: u64) -> Self {
        Self { start: offset / BLOCK_SIZE, end: offset.saturating_add(length).div_ceil(BLOCK_SIZE) }
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// The right to work on a range; the next in line goes when it is dropped.
#[must_use]
pub struct Turn {
    queue: Arc<Mutex<Queue>>,
    /// `None` for a read that never had to wait: nobody waits for it either.
    id: Option<u64>,
}

impl Ordering {
    /// Waits until nothing that came before conflicts with this request. Dropping the future gives the place up.
    pub async fn turn(&self, offset: u64, length: u64, access: Access) -> Turn {
        let range = BlockRange::of(offset, length);
        let (turn, wake) = self.enqueue(range, access);
        if let Some(wake) = wake {
            // The sender is only dropped with the entry, which `turn` keeps in place.
            let _ = wake.await;
        }
        turn
    }

    /// Waits until everything that came before is done, and holds back everything after.
    pub async fn barrier(&self) -> Turn {
        let (turn, wake) = self.enqueue(BlockRange { start: 0, end: u64::MAX }, Access::Write);
        if let Some(wake) = wake {
            let _ = wake.await;
        }
        turn
    }

    fn enqueue(&self, range: BlockRange, access: Access) -> (Turn, Option<oneshot::Receiver<()>>) {
        let mut queue = lock(&self.queue);
        let conflicts = |entry: &&Entry| entry.access == Access::Write && entry.range.overlaps(range);
        // A waiting or running read does not hold back a write: both are in flight at once, so either outcome is right.
        let blockers = queue.entries.values().filter(conflicts).count();
        if blockers == 0 && access == Access::Read {
            return (Turn { queue: Arc::clone(&self.queue), id: None }, None);
        }
        let id = queue.next;
        queue.next += 1;
        let (wake, woken) = if blockers == 0 { (None, None) } else { Some(oneshot::channel()).unzip() };
        queue.entries.insert(id, Entry { range, access, blockers, wake });
        (Turn { queue: Arc::clone(&self.queue), id: Some(id) }, woken)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut queue = lock(&self.queue);
        let Some(done) = queue.entries.remove(&id) else { return };
        if done.access == Access::Read {
            return;
        }
        for (_, later) in queue.entries.range_mut(id..) {
            if !later.range.overlaps(done.range) {
                continue;
            }
            later.blockers -= 1;
            if later.blockers == 0
                && let Some(wake) = later.wake.take()
            {
                // A waiter that gave up drops its own entry.
                let _ = wake.send(());
            }
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn is_held_back<F: Future + Unpin>(turn: &mut F) -> bool {
        tokio::time::timeout(Duration::from_millis(20), turn).await.is_err()
    }

    #[tokio::test]
    async fn overlapping_writes_wait_in_order_and_others_pass() {
        let ordering = Ordering::default();
        let first = ordering.turn(0, 8192, Access::Write).await;
        let mut second = Box::pin(ordering.turn(4096, 4096, Access::Write));
        assert!(is_held_back(&mut second).await);
        let mut third = Box::pin(ordering.turn(4608, 512, Access::Write));
        assert!(is_held_back(&mut third).await);
        let _elsewhere = ordering.turn(8192, 4096, Access::Write).await;
        drop(first);
        let second = second.await;
        assert!(is_held_back(&mut third).await, "arrival order");
        drop(second);
        let _third = third.await;
    }

    #[tokio::test]
    async fn different_sectors_of_one_block_conflict() {
        let ordering = Ordering::default();
        let first = ordering.turn(0, 512, Access::Write).await;
        let mut second = Box::pin(ordering.turn(512, 512, Access::Write));
        assert!(is_held_back(&mut second).await);
        drop(first);
        let _second = second.await;
    }

    #[tokio::test]
    async fn a_read_waits_for_a_write_but_not_the_other_way_round() {
        let ordering = Ordering::default();
        let read = ordering.turn(0, 4096, Access::Read).await;
        let write = ordering.turn(0, 4096, Access::Write).await;
        let mut later_read = Box::pin(ordering.turn(0, 1, Access::Read));
        assert!(is_held_back(&mut later_read).await);
        drop((read, write));
        let _later_read = later_read.await;
    }

    #[tokio::test]
    async fn a_barrier_drains_and_holds_back() {
        let ordering = Ordering::default();
        let write = ordering.turn(1 << 30, 4096, Access::Write).await;
        let mut barrier = Box::pin(ordering.barrier());
        assert!(is_held_back(&mut barrier).await);
        let mut after = Box::pin(ordering.turn(0, 1, Access::Read));
        assert!(is_held_back(&mut after).await);
        drop(write);
        let barrier = barrier.await;
        assert!(is_held_back(&mut after).await);
        drop(barrier);
        let _after = after.await;
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_blocks_nobody() {
        let ordering = Ordering::default();
        let first = ordering.turn(0, 4096, Access::Write).await;
        let mut given_up = Box::pin(ordering.turn(0, 4096, Access::Write));
        assert!(is_held_back(&mut given_up).await);
        let mut last = Box::pin(ordering.turn(0, 4096, Access::Write));
        assert!(is_held_back(&mut last).await);
        drop(given_up);
        assert!(is_held_back(&mut last).await, "the first still holds the range");
        drop(first);
        let _last = last.await;
        assert_eq!(lock(&ordering.queue).entries.len(), 1);
    }
}
