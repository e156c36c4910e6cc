//! A work queue of keys: a key waits in it at most once, is worked on by at most one worker, and one that is added
//! meanwhile is worked on again afterwards.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Default)]
struct State {
    ready: VecDeque<String>,
    /// Keys in `ready`.
    waiting: HashSet<String>,
    running: HashSet<String>,
    /// Keys that were added while they ran.
    again: HashSet<String>,
    /// Keys for later; the number keeps keys of the same instant apart.
    later: BTreeMap<(Instant, u64), String>,
    sequence: u64,
}

/// Cheap to clone; all clones are the same queue.
#[derive(Clone, Default)]
pub struct WorkQueue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl WorkQueue {
    /// The key needs to be looked at.
    pub fn add(&self, key: &str) {
        self.with(|state| state.add(key));
        self.changed.notify_one();
    }

    /// The key needs to be looked at when the time has passed; an earlier wish is not put off by it.
    pub fn add_after(&self, key: &str, delay: Duration) {
        self.with(|state| {
            state.sequence += 1;
            let moment = (Instant::now() + delay, state.sequence);
            state.later.insert(moment, key.to_owned());
        });
        self.changed.notify_one();
    }

    /// The next key to work on; call [`WorkQueue::done`] afterwards. Safe to cancel.
    pub async fn next(&self) -> String {
        loop {
            let (key, wake_at) = self.with(State::take);
            if let Some(key) = key {
                return key;
            }
            match wake_at {
                Some(moment) => {
                    let _ = tokio::time::timeout_at(moment, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// The work on a key is over.
    pub fn done(&self, key: &str) {
        self.with(|state| {
            state.running.remove(key);
            if state.again.remove(key) {
                state.add(key);
            }
        });
        self.changed.notify_one();
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn add(&mut self, key: &str) {
        if self.running.contains(key) {
            self.again.insert(key.to_owned());
        } else if self.waiting.insert(key.to_owned()) {
            self.ready.push_back(key.to_owned());
        }
    }

    fn take(&mut self) -> (Option<String>, Option<Instant>) {
        let now = Instant::now();
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.add(&key);
        }
        let key = self.ready.pop_front();
        if let Some(key) = &key {
            self.waiting.remove(key);
            self.running.insert(key.clone());
        }
        (key, self.later.keys().next().map(|moment| moment.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_waits_once() {
        let queue = WorkQueue::default();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, "a");
        assert_eq!(queue.next().await, "b");
        assert!(futures::FutureExt::now_or_never(queue.next()).is_none());
    }

    #[tokio::test]
    async fn a_key_added_while_it_runs_comes_again_when_it_is_done() {
        let queue = WorkQueue::default();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(futures::FutureExt::now_or_never(queue.next()).is_none());
        queue.done("a");
        assert_eq!(queue.next().await, "a");
        queue.done("a");
        assert!(futures::FutureExt::now_or_never(queue.next()).is_none());
    }

    #[tokio::test]
    async fn later_keys_come_in_the_order_of_their_time() {
        let queue = WorkQueue::default();
        queue.add_after("slow", Duration::from_millis(20));
        queue.add_after("soon", Duration::from_millis(1));
        assert_eq!(queue.next().await, "soon");
        assert_eq!(queue.next().await, "slow");
    }
}
