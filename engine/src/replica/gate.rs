//! Who may be inside a replica's structure: requests beside each other, or one change alone.
//!
//! A pass says that the structure stays as it is. Unlike a lock's guard it may be held across an `await` and be carried
//! to another thread, so that a request which waits for the disk needs no thread of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when the last pass is given back, and when a change ends.
    moved: Condvar,
    /// Told when the last change ends.
    opened: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Passes handed out.
    inside: usize,
    /// Changes that wait or run. While there are any nobody else gets in, so that a change comes to its turn.
    changes: usize,
    changing: bool,
}

/// The right to use the structure beside others.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
}

/// The right to change the structure.
#[derive(Debug)]
pub(super) struct Alone<'a> {
    gate: &'a Gate,
}

impl Gate {
    /// Waits on this thread until no change is going on.
    pub(super) fn enter(&self) -> Pass {
        let mut state = self.lock();
        while state.changes > 0 {
            state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.inside += 1;
        Pass { gate: self.clone() }
    }

    /// As [`Gate::enter`], without a thread that waits.
    pub(super) async fn enter_later(&self) -> Pass {
        loop {
            let opened = self.shared.opened.notified();
            if let Some(pass) = self.try_enter() {
                return pass;
            }
            opened.await;
        }
    }

    /// As [`Gate::enter`], where nobody has to be waited for.
    pub(super) fn try_enter(&self) -> Option<Pass> {
        let mut state = self.lock();
        (state.changes == 0).then(|| {
            state.inside += 1;
            Pass { gate: self.clone() }
        })
    }

    /// Keeps everybody out, and waits on this thread until all who are inside have left.
    pub(super) fn alone(&self) -> Alone<'_> {
        let mut state = self.lock();
        state.changes += 1;
        while state.inside > 0 || state.changing {
            state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.changing = true;
        Alone { gate: self }
    }

    /// Whether a change waits or runs.
    #[cfg(test)]
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().changes > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters: every state of them that a panic may leave is a true one.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.inside -= 1;
        if state.inside == 0 && state.changes > 0 {
            self.gate.shared.moved.notify_all();
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.changes -= 1;
        state.changing = false;
        self.gate.shared.moved.notify_all();
        if state.changes == 0 {
            self.gate.shared.opened.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_change_waits_for_passes_and_keeps_later_ones_out() {
        let gate = Gate::default();
        let pass = gate.enter_later().await;
        let beside = gate.enter();
        let changed = Arc::new(AtomicBool::new(false));
        let change = {
            let (gate, changed) = (gate.clone(), Arc::clone(&changed));
            std::thread::spawn(move || {
                let _alone = gate.alone();
                changed.store(true, Ordering::SeqCst);
            })
        };
        while !gate.is_wanted() {
            tokio::task::yield_now().await;
        }
        assert!(gate.try_enter().is_none(), "a change waits");
        drop(beside);
        assert!(!changed.load(Ordering::SeqCst), "one pass is out");
        drop(pass);
        let _pass = gate.enter_later().await;
        assert!(changed.load(Ordering::SeqCst));
        change.join().unwrap();
    }
}
