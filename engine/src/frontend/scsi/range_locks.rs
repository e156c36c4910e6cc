//! Keeps other writes away from a range while COMPARE AND WRITE or ORWRITE reads and writes it.
//!
//! The device orders single requests; these commands are two. So they hold their range exclusively, and every other
//! command that changes blocks holds its own range shared. The device is divided into stripes, each with a lock of its
//! own, so that a compare and write (clusters beat their hearts with them) stops the writes near it only. A plain write
//! takes one uncontended lock (0.3 µs in a build without optimisation), and never waits while there is no such command.
//!
//! No deadlock: every command takes the locks of its range before it does anything, in ascending order.

use smallvec::SmallVec;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Neighbouring ranges of this size have different locks; the largest compare and write touches two at most.
const STRIPE_BYTES_LOG2: u32 = 20;
/// Stripes whose numbers differ by a multiple of this share a lock.
const LOCKS: u64 = 64;

#[derive(Debug)]
pub(super) struct RangeLocks([RwLock<()>; LOCKS as usize]);

impl Default for RangeLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::new(())))
    }
}

impl RangeLocks {
    /// Waits until no exclusive command is at work in the range, and keeps such away while the guards live.
    pub(super) async fn shared(&self, offset: u64, length: u64) -> SmallVec<[RwLockReadGuard<'_, ()>; 2]> {
        let mut guards = SmallVec::new();
        for lock in self.of_range(offset, length) {
            guards.push(lock.read().await);
        }
        guards
    }

    /// Waits until nothing else is at work in the range, and keeps everything away while the guards live.
    pub(super) async fn exclusive(&self, offset: u64, length: u64) -> SmallVec<[RwLockWriteGuard<'_, ()>; 2]> {
        let mut guards = SmallVec::new();
        for lock in self.of_range(offset, length) {
            guards.push(lock.write().await);
        }
        guards
    }

    /// The locks of a range, each once, in ascending order.
    fn of_range(&self, offset: u64, length: u64) -> impl Iterator<Item = &RwLock<()>> {
        let first = offset >> STRIPE_BYTES_LOG2;
        let last = (offset + length.max(1) - 1) >> STRIPE_BYTES_LOG2;
        let stripes = (last - first + 1).min(LOCKS);
        let start = first % LOCKS;
        // The range may go round from the last lock to the first: in ascending order the part behind comes first.
        let behind = (start + stripes).saturating_sub(LOCKS);
        let ahead = (start + stripes).min(LOCKS);
        (0..behind).chain(start.max(behind)..ahead).map(|index| &self.0[index as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_each_of_its_locks_once_in_ascending_order() {
        let locks = RangeLocks::default();
        let indices = |offset: u64, length: u64| -> Vec<usize> {
            let index = |lock: &RwLock<()>| locks.0.iter().position(|own| std::ptr::eq(own, lock)).unwrap();
            locks.of_range(offset, length).map(index).collect()
        };
        const MIB: u64 = 1 << 20;
        assert_eq!(indices(0, 512), [0]);
        assert_eq!(indices(MIB - 512, 1024), [0, 1]);
        assert_eq!(indices(63 * MIB, 2 * MIB), [0, 63]);
        assert_eq!(indices(100 * MIB, 0), [36]);
        assert_eq!(indices(5 * MIB, 64 * MIB), (0..64).collect::<Vec<_>>());
        assert_eq!(indices(5 * MIB + 1, 64 * MIB), (0..64).collect::<Vec<_>>());
        assert_eq!(indices(62 * MIB, 1 << 40), (0..64).collect::<Vec<_>>());
        assert_eq!(indices(62 * MIB, 4 * MIB), [0, 1, 62, 63]);
    }

    #[tokio::test]
    async fn an_exclusive_range_waits_for_shared_ones_and_keeps_them_away() {
        let locks = RangeLocks::default();
        let shared = locks.shared(0, 4096).await;
        let mut exclusive = Box::pin(locks.exclusive(4096, 512));
        assert!(futures::poll!(&mut exclusive).is_pending());
        let far = locks.exclusive(2 << STRIPE_BYTES_LOG2, 512);
        drop(far.await);
        drop(shared);
        let exclusive = exclusive.await;
        let mut shared = Box::pin(locks.shared(0, 4096));
        assert!(futures::poll!(&mut shared).is_pending());
        drop(exclusive);
        assert_eq!(shared.await.len(), 1);
    }
}
