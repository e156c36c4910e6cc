//! Runs a controller: takes keys from its queue, works on several at once, tries failed ones again with growing
//! pauses. Level-triggered: a key says *what* to look at, never what happened.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rand::Rng;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::Error;
use super::queue::WorkQueue;
use crate::instance::{InstanceChange, Instances};
use crate::resources::{Kind, Object};
use crate::settings::Settings;
use crate::store::Store;

/// What to do after a pass that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something changes.
    Wait,
    /// Look again after this time, even when nothing changes.
    After(Duration),
}

/// One pass over one key: reads the present, moves it one step towards the wished, and can be repeated at any time.
pub trait Controller: Send + Sync + 'static {
    const NAME: &'static str;

    fn reconcile(&self, key: &str) -> impl Future<Output = Result<Next, Error>> + Send;
}

/// Keys of one controller that are worked on at the same time. Passes wait for processes and disks, not for the CPU.
const KEYS_AT_ONCE: usize = 64;
/// First pause after a failure, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause: what failed for long is still tried often enough that a person sees it heal.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// Every key is looked at again this often, in case a change was missed.
pub const RESYNC: Duration = Duration::from_secs(60);

/// Starts the controller's task; aborting it stops the controller between two steps of its passes.
pub fn run<C: Controller>(controller: Arc<C>, queue: WorkQueue) -> JoinHandle<()> {
    crate::metrics::work::watch(C::NAME, &queue);
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(KEYS_AT_ONCE));
        let failures: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
        let mut passes = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let key = queue.next().await;
            while passes.try_join_next().is_some() {}
            let (controller, queue, failures) = (controller.clone(), queue.clone(), failures.clone());
            passes.spawn(async move {
                let pass = AssertUnwindSafe(controller.reconcile(&key)).catch_unwind();
                // A key whose pass never came to its end would count as running for ever, and nobody would look at it again.
                let result = pass.await.unwrap_or_else(|panic| Err(Error::Other(words_of(&*panic))));
                schedule_next::<C>(&queue, &failures, &key, result);
                queue.done(&key);
                drop(permit);
            });
        }
    })
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the manager has a bug: a pass panicked: {}", words.unwrap_or("without a word"))
}

fn schedule_next<C: Controller>(
    queue: &WorkQueue,
    failures: &Mutex<HashMap<String, u32>>,
    key: &str,
    result: Result<Next, Error>,
) {
    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(next) => {
            failures.remove(key);
            if let Next::After(delay) = next {
                queue.add_after(key, delay);
            }
        }
        // Somebody else changed what this pass had read: normal, and the next pass sees it.
        Err(error) if error.is_conflict() => queue.add_after(key, jittered(PAUSE_FIRST / 10)),
        Err(error) => {
            let count = failures.entry(key.to_owned()).or_default();
            let pause = jittered(pause_after(*count));
            *count += 1;
            if error.is_gone() && *count == 1 {
                // Somebody else deleted it meanwhile: normal, and the next pass sees that.
                tracing::debug!(controller = C::NAME, key, %error, "what a pass worked on was deleted");
                return queue.retry_after(key, pause);
            }
            tracing::warn!(controller = C::NAME, key, %error, ?pause, "a pass failed; trying again");
            queue.retry_after(key, pause);
        }
    }
}

/// Capped exponential: 0.1 s, 0.2 s, … 30 s.
pub(super) fn pause_after(failures: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << failures.min(16)).min(PAUSE_LONGEST)
}

/// ± 20 %, so that many keys that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.8..1.2))
}

/// Feeds a queue from a watch: every object told adds the keys that `keys` names.
pub fn feed_from_store<K: Kind>(
    store: &Store,
    queue: &WorkQueue,
    keys: impl Fn(&Object<K>) -> Vec<String> + Send + 'static,
) -> JoinHandle<()> {
    let (mut watch, queue) = (store.watch::<K>(), queue.clone());
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            for key in keys(event.object()) {
                queue.add(&key);
            }
        }
    })
}

/// Feeds a queue from what instance managers tell; `all` names every key when too much changed to be told.
pub fn feed_from_instances(
    instances: &Instances,
    queue: &WorkQueue,
    keys: impl Fn(&InstanceChange) -> Vec<String> + Send + 'static,
) -> JoinHandle<()> {
    let (mut changes, queue) = (instances.changes(), queue.clone());
    tokio::spawn(async move {
        loop {
            match changes.recv().await {
                Ok(change) => keys(&change).iter().for_each(|key| queue.add(key)),
                // What was missed is found by the resync.
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "instance changes were missed"),
                Err(RecvError::Closed) => return,
            }
        }
    })
}

/// Feeds a queue when a node comes or goes, with the keys of the objects that `concerned` says are the node's. What ended
/// while its node was silent is in no list that the node tells afterwards, so that no change of an instance names it.
pub fn feed_from_nodes<K: Kind>(
    store: &Store,
    instances: &Instances,
    queue: &WorkQueue,
    concerned: impl Fn(&Object<K>, &str) -> bool + Send + 'static,
) -> JoinHandle<()> {
    let (mut changes, store, queue) = (instances.changes(), store.clone(), queue.clone());
    tokio::spawn(async move {
        loop {
            let node = match changes.recv().await {
                Ok(InstanceChange::Instance { .. }) => continue,
                Ok(InstanceChange::Node(node)) => Some(node),
                // Which nodes were meant is not known: all may be.
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return,
            };
            match store.list::<K>().await {
                Ok(objects) => {
                    let is_meant = |object: &&Object<K>| node.as_ref().is_none_or(|node| concerned(object, node));
                    objects.iter().filter(is_meant).for_each(|object| queue.add(object.name()));
                }
                Err(error) => tracing::warn!(%error, kind = K::KIND, "could not be listed after a node changed"),
            }
        }
    })
}

/// Adds every object's key when a setting has changed: any of them may matter to any object.
pub fn feed_from_settings<K: Kind>(store: &Store, settings: &Settings, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut changed, store, queue) = (settings.changed(), store.clone(), queue.clone());
    tokio::spawn(async move {
        while changed.changed().await.is_ok() {
            match store.list::<K>().await {
                Ok(objects) => objects.iter().for_each(|object| queue.add(object.name())),
                Err(error) => tracing::warn!(%error, kind = K::KIND, "could not be listed after a setting changed"),
            }
        }
    })
}

/// Adds every object's key now and then.
pub fn resync<K: Kind>(store: &Store, queue: &WorkQueue, every: Duration) -> JoinHandle<()> {
    let (store, queue) = (store.clone(), queue.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(jittered(every)).await;
            match store.list::<K>().await {
                Ok(objects) => objects.iter().for_each(|object| queue.add(object.name())),
                Err(error) => tracing::warn!(%error, "a resync could not list"),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Replica;
    use crate::resources::replica::ReplicaSpec;
    use crate::store::sqlite::Sqlite;
    use tokio::sync::mpsc;

    struct FailsTwice {
        passes: mpsc::UnboundedSender<String>,
        left: Mutex<u32>,
    }

    impl Controller for FailsTwice {
        const NAME: &'static str = "test";

        async fn reconcile(&self, key: &str) -> Result<Next, Error> {
            self.passes.send(key.to_owned()).unwrap();
            let mut left = self.left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(Error::Other("not yet".into()));
            }
            Ok(Next::Wait)
        }
    }

    #[tokio::test]
    async fn a_failed_key_is_tried_again_until_it_works() {
        let (passes, mut seen) = mpsc::unbounded_channel();
        let queue = WorkQueue::default();
        let task = run(Arc::new(FailsTwice { passes, left: Mutex::new(2) }), queue.clone());
        queue.add("a");
        for _ in 0..3 {
            assert_eq!(seen.recv().await.unwrap(), "a");
        }
        task.abort();
    }

    struct PanicsOnce(mpsc::UnboundedSender<String>, Mutex<bool>);

    impl Controller for PanicsOnce {
        const NAME: &'static str = "test";

        async fn reconcile(&self, key: &str) -> Result<Next, Error> {
            self.0.send(key.to_owned()).unwrap();
            let is_first = !std::mem::replace(&mut *self.1.lock().unwrap(), true);
            assert!(!is_first, "a bug");
            Ok(Next::Wait)
        }
    }

    #[tokio::test]
    async fn a_pass_that_panics_is_one_that_failed() {
        let (passes, mut seen) = mpsc::unbounded_channel();
        let queue = WorkQueue::default();
        let task = run(Arc::new(PanicsOnce(passes, Mutex::new(false))), queue.clone());
        queue.add("a");
        for _ in 0..2 {
            assert_eq!(seen.recv().await.unwrap(), "a");
        }
        task.abort();
        let panic = futures::FutureExt::catch_unwind(async { panic!("of {}", "its own") }).await.unwrap_err();
        assert_eq!(words_of(&*panic), "the manager has a bug: a pass panicked: of its own");
    }

    #[test]
    fn pauses_grow_to_a_cap() {
        assert_eq!(pause_after(0), PAUSE_FIRST);
        assert!(pause_after(3) > pause_after(2));
        assert_eq!(pause_after(40), PAUSE_LONGEST);
    }

    /// A replica whose process ended while its node was silent: the node's new list does not have it.
    #[tokio::test]
    async fn a_node_that_answers_again_wakes_up_what_is_placed_on_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap()));
        for (name, node) in [("a-r-1", "node-1"), ("a-r-2", "node-2")] {
            let spec = ReplicaSpec { node_id: node.to_owned(), ..ReplicaSpec::default() };
            store.create(&Object::<Replica>::new(name, spec)).await.unwrap();
        }
        let (instances, queue) = (Instances::new(["node-1", "node-2"]), WorkQueue::default());
        let feed = feed_from_nodes::<Replica>(&store, &instances, &queue, |replica, node| replica.spec.node_id == node);
        instances.replace("node-2", "1", 7, Vec::new());
        assert_eq!(queue.next().await, "a-r-2");
        instances.replace("node-1", "1", 8, Vec::new());
        assert_eq!(queue.next().await, "a-r-1");
        feed.abort();
    }
}
