//! A work queue of keys: a key waits in it at most once, is worked on by at most one worker, and one that is added
//! meanwhile is worked on again afterwards. For later, too, a key is noted once: for the earliest of the moments wished.
//! A controller that looks at a key every 30 s notes that wish in every pass; were all kept, each wake-up from outside
//! would add a series of passes that never ends.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::work::{Figures, Work};

#[derive(Default)]
struct State {
    ready: VecDeque<String>,
    /// Keys in `ready`, and since when.
    waiting: HashMap<String, Instant>,
    /// Keys that are worked on, and since when.
    running: HashMap<String, Instant>,
    /// Keys that were added while they ran.
    again: HashSet<String>,
    /// Keys for later.
    later: BTreeMap<Moment, String>,
    /// Where each key is in `later`.
    moments: HashMap<String, Moment>,
    sequence: u64,
    work: Work,
}

/// The number keeps keys of the same instant apart.
type Moment = (Instant, u64);

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
        self.with(|state| state.add_at(key, Instant::now() + delay));
        self.changed.notify_one();
    }

    /// As `add_after`, for a key whose pass failed.
    pub fn retry_after(&self, key: &str, delay: Duration) {
        self.with(|state| state.work.retries += 1);
        self.add_after(key, delay);
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
            if let Some(since) = state.running.remove(key) {
                state.work.worked.observe(since.elapsed());
            }
            if state.again.remove(key) {
                state.add(key);
            }
        });
        self.changed.notify_one();
    }

    /// What it does, for the metrics.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.with(|state| Figures {
            work: state.work.clone(),
            depth: state.ready.len(),
            running: state.running.values().map(Instant::elapsed).collect(),
        })
    }

    /// The same queue, for one who must not keep it.
    #[must_use]
    pub fn downgrade(&self) -> WeakQueue {
        WeakQueue { state: Arc::downgrade(&self.state), changed: Arc::downgrade(&self.changed) }
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A queue that is gone when its controller is.
#[derive(Clone)]
pub struct WeakQueue {
    state: Weak<Mutex<State>>,
    changed: Weak<Notify>,
}

impl WeakQueue {
    #[must_use]
    pub fn upgrade(&self) -> Option<WorkQueue> {
        Some(WorkQueue { state: self.state.upgrade()?, changed: self.changed.upgrade()? })
    }
}

impl State {
    fn add(&mut self, key: &str) {
        if self.running.contains_key(key) {
            self.again.insert(key.to_owned());
        } else if !self.waiting.contains_key(key) {
            self.waiting.insert(key.to_owned(), Instant::now());
            self.ready.push_back(key.to_owned());
            self.work.adds += 1;
        }
    }

    fn add_at(&mut self, key: &str, instant: Instant) {
        let noted = self.moments.get(key).copied();
        if noted.is_some_and(|noted| noted.0 <= instant) {
            return;
        }
        if let Some(noted) = noted {
            self.later.remove(&noted);
        }
        self.sequence += 1;
        let moment = (instant, self.sequence);
        self.later.insert(moment, key.to_owned());
        self.moments.insert(key.to_owned(), moment);
    }

    fn take(&mut self) -> (Option<String>, Option<Instant>) {
        let now = Instant::now();
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            self.moments.remove(&key);
            self.add(&key);
        }
        let key = self.ready.pop_front();
        if let Some(key) = &key {
            if let Some(since) = self.waiting.remove(key) {
                self.work.waited.observe(now - since);
            }
            self.running.insert(key.clone(), now);
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
    async fn what_is_done_is_counted() {
        let queue = WorkQueue::default();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        let key = queue.next().await;
        queue.retry_after(&key, Duration::from_secs(60));
        let figures = queue.figures();
        assert_eq!((figures.depth, figures.running.len()), (1, 1));
        assert_eq!((figures.work.adds, figures.work.retries), (2, 1));
        queue.done(&key);
        assert!(queue.figures().running.is_empty());
        let weak = queue.downgrade();
        assert_eq!(weak.upgrade().unwrap().figures().depth, 1);
        drop(queue);
        assert!(weak.upgrade().is_none());
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

    /// What a controller does that looks at its keys regularly, while changes wake it up.
    #[tokio::test]
    async fn a_thousand_wake_ups_leave_one_wish_for_later() {
        let queue = WorkQueue::default();
        for _ in 0..1000 {
            queue.add("node-1");
            assert_eq!(queue.next().await, "node-1");
            queue.add_after("node-1", Duration::from_secs(30));
            queue.done("node-1");
        }
        queue.with(|state| assert_eq!((state.later.len(), state.moments.len()), (1, 1)));
    }

    #[tokio::test]
    async fn of_the_wishes_for_a_key_the_earliest_counts() {
        let queue = WorkQueue::default();
        for seconds in [60, 30, 90] {
            queue.add_after("a", Duration::from_secs(seconds));
        }
        let earliest = queue.with(|state| state.later.keys().next().map(|moment| moment.0)).unwrap();
        let from_now = earliest - Instant::now();
        assert!(from_now > Duration::from_secs(20) && from_now <= Duration::from_secs(30), "{from_now:?}");
        queue.add_after("a", Duration::ZERO);
        assert_eq!(queue.next().await, "a");
        queue.done("a");
        // Noted again afterwards: the entry that came up has left no trace.
        queue.add_after("a", Duration::from_millis(1));
        assert_eq!(queue.next().await, "a");
        assert!(queue.with(|state| state.later.is_empty() && state.moments.is_empty()));
    }
}
