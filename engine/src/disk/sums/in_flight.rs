//! Changes of an image that are going on.
//!
//! The engine lets no two changes of a block go on at once, but a read may meet a change that came after it. What such a read
//! finds is the old block, the new one, or a part of each, and the sum that is known is either one's.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Changes that have ever begun. It is raised under the lock.
    begun: AtomicU64,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of the image that are being changed.
    changing: Vec<Range<u64>>,
    watched: Vec<Watch>,
    next_watch: u64,
}

/// A block that somebody looks at.
#[derive(Debug)]
struct Watch {
    id: u64,
    offset: u64,
    /// A change of it has begun.
    is_disturbed: bool,
}

impl State {
    fn is_changing(&self, range: &Range<u64>) -> bool {
        self.changing.iter().any(|other| overlap(other, range))
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// What a look found, and whether it counts.
pub(super) enum Look<T> {
    Undisturbed(T),
    Disturbed,
}

impl InFlight {
    /// Changes that have begun until now.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self, range: Range<u64>) {
        let mut state = self.lock();
        self.begun.fetch_add(1, Ordering::AcqRel);
        for watch in state.watched.iter_mut().filter(|watch| range.contains(&watch.offset)) {
            watch.is_disturbed = true;
        }
        state.changing.push(range);
    }

    pub(super) fn end(&self, range: &Range<u64>) {
        let mut state = self.lock();
        if let Some(at) = state.changing.iter().position(|other| other == range) {
            state.changing.swap_remove(at);
        }
        let is_awaited = !state.watched.is_empty();
        drop(state);
        if is_awaited {
            self.ended.notify_all();
        }
    }

    /// Does `work`, which is over soon, if no change has begun since there were `begun` of them, and none of the range is going
    /// on. None begins meanwhile.
    pub(super) fn if_none_since(&self, begun: u64, range: &Range<u64>, work: impl FnOnce()) {
        let state = self.lock();
        if self.begun() == begun && !state.is_changing(range) {
            work();
        }
    }

    /// Waits until no change of the block at `offset` is going on, and looks at it.
    pub(super) fn look<T>(&self, offset: u64, look: impl FnOnce() -> T) -> Look<T> {
        let block = offset..offset + 1;
        let mut state = self.lock();
        let id = state.next_watch;
        state.next_watch += 1;
        // Before the wait: whoever ends a change wakes those who watch.
        state.watched.push(Watch { id, offset, is_disturbed: false });
        while state.is_changing(&block) {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.watched.iter_mut().filter(|watch| watch.id == id).for_each(|watch| watch.is_disturbed = false);
        drop(state);
        let found = look();
        let mut state = self.lock();
        let at = state.watched.iter().position(|watch| watch.id == id);
        match at.map(|at| state.watched.swap_remove(at)) {
            Some(Watch { is_disturbed: false, .. }) => Look::Undisturbed(found),
            _ => Look::Disturbed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Lists: every state of them that a panic may leave is a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
