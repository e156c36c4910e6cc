//! Changes of an image that are going on.
//!
//! The engine lets no two changes of a block go on at once, but a read may meet a change that came after it. What such a read
//! finds is the old block, the new one, or a part of each, and the sum that is known is either one's.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Beginnings and ends of changes until now. It is raised under the lock.
    events: AtomicU64,
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
    /// The moment, as [`InFlight::if_nothing_since`] wants it.
    pub(super) fn moment(&self) -> u64 {
        self.events.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self, range: Range<u64>) {
        let mut state = self.lock();
        self.events.fetch_add(1, Ordering::AcqRel);
        for watch in state.watched.iter_mut().filter(|watch| range.contains(&watch.offset)) {
            watch.is_disturbed = true;
        }
        state.changing.push(range);
    }

    pub(super) fn end(&self, range: &Range<u64>) {
        let mut state = self.lock();
        self.events.fetch_add(1, Ordering::AcqRel);
        if let Some(at) = state.changing.iter().position(|other| other == range) {
            state.changing.swap_remove(at);
        }
        let is_awaited = !state.watched.is_empty();
        drop(state);
        if is_awaited {
            self.ended.notify_all();
        }
    }

    /// Does `work`, which is over soon, if no change has begun or ended since that moment, and none of the range is going on:
    /// then none of the range was, all the time. None begins meanwhile.
    pub(super) fn if_nothing_since(&self, moment: u64, range: &Range<u64>, work: impl FnOnce()) {
        let state = self.lock();
        if self.moment() == moment && !state.is_changing(range) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what a read found whose change began before it, during it, or ended during it, nothing is learned.
    #[test]
    fn nothing_is_learned_of_what_was_changing_at_any_time() {
        let learns = |before: &[&str], during: &[&str]| {
            let in_flight = InFlight::default();
            let happen = |events: &[&str]| {
                for event in events {
                    if *event == "begin" { in_flight.begin(0..4096) } else { in_flight.end(&(0..4096)) }
                }
            };
            happen(before);
            let moment = in_flight.moment();
            happen(during);
            let mut learned = false;
            in_flight.if_nothing_since(moment, &(0..8192), || learned = true);
            learned
        };
        assert!(learns(&[], &[]) && learns(&["begin", "end"], &[]));
        assert!(!learns(&["begin"], &[]));
        assert!(!learns(&["begin"], &["end"]), "it may have found what was there before");
        assert!(!learns(&[], &["begin"]) && !learns(&[], &["begin", "end"]));
    }
}
