//! Making durable what clients wrote and discarded.
//!
//! Invariants:
//! - A flush is confirmed by a sync that began after the flush had come, and ended well.
//! - Only one sync of the head goes on at a time. The kernel tells a failed sync once: of two beside each other, the other
//!   one may end well although what both were to make durable is lost.
//! - After a failed sync this open confirms nothing any more: a later one that succeeds says nothing about what was lost.
//!
//! Who comes while a sync goes on waits for its end; the next one is for all who wait. A flush that has nothing to do but
//! sync the head takes no thread ([`ReadyFlush`]). One that has more to do is a thread's, and goes before those.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use smallvec::SmallVec;

use super::gate::Pass;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::crash_point;
use crate::disk::DiskError;
use crate::disk::image::ImageFile;
use crate::disk::queue::{IoQueue, WeakQueue};

/// The syncs of one open directory.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    state: Mutex<State>,
    /// Told when a sync has ended.
    ended: Condvar,
    /// Why a sync failed.
    failed: OnceLock<String>,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// How many have begun.
    begun: u64,
    /// Number of the last one that made everything durable, holes in layers below the head included.
    complete: u64,
    /// Threads that wait for their turn.
    threads: usize,
    /// For the next sync.
    waiting: Group,
}

/// Flushes that share a sync.
type Group = SmallVec<[Waiting; 1]>;

type Then = Box<dyn FnOnce(Result<(), ReplicaError>) + Send>;

struct Waiting {
    flush: ReadyFlush,
    /// Weak: the queue keeps what it works on, and that must not keep the queue.
    queue: WeakQueue,
    then: Then,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// A flush that has nothing to wait for but the disk of the head.
pub(crate) struct ReadyFlush {
    replica: Arc<Replica>,
    /// The head stays the same until it has ended.
    _pass: Pass,
    image: Arc<ImageFile>,
}

impl Replica {
    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The disk did not confirm, now or at an earlier call; what was written since the last success may be lost in a
    /// power cut. Only another open may succeed again.
    pub fn flush(&self) -> Result<(), ReplicaError> {
        self.shared(|structure| {
            self.sync_head(structure)?;
            crash_point::reached("flush.head-synced");
            self.store_revision()
        })
    }

    /// A flush that needs no thread; `None` where [`Replica::flush`] has to do it.
    pub(crate) fn ready_flush(self: &Arc<Self>) -> Option<ReadyFlush> {
        // Its file is replaced with every flush.
        if self.revision.is_some() {
            return None;
        }
        let pass = self.gate.try_enter()?;
        let image = self.inside(&pass, |structure| Ok(structure.below.is_durable().then(|| structure.head.image())));
        Some(ReadyFlush { replica: Arc::clone(self), image: image.ok().flatten()?, _pass: pass })
    }

    /// As [`Replica::flush`]. `then` is called with the outcome, and must not wait.
    pub(crate) fn flush_later<F>(self: &Arc<Self>, queue: Option<&IoQueue>, then: F)
    where
        F: FnOnce(Result<(), ReplicaError>) + Send + 'static,
    {
        if let Some(queue) = queue
            && let Some(flush) = self.ready_flush()
        {
            return flush.start(queue, then);
        }
        let replica = Arc::clone(self);
        drop(tokio::task::spawn_blocking(move || then(replica.flush())));
    }

    /// Every sync of what clients wrote and discarded comes here, or goes by [`ReadyFlush`].
    pub(super) fn sync_head(&self, structure: &Structure) -> Result<(), ReplicaError> {
        let Some(mut turn) = self.syncs.turn() else { return self.syncs.check() };
        self.syncs.check()?;
        match structure.below.sync().and_then(|()| structure.head.image.sync_data()) {
            Ok(()) => turn.complete = true,
            Err(error) => self.syncs.fail(&error.to_string()),
        }
        drop(turn);
        self.syncs.check()
    }

    /// How many syncs of the head have begun.
    #[cfg(test)]
    pub(super) fn syncs_begun(&self) -> u64 {
        self.syncs.lock().begun
    }

    /// How many threads wait for their turn.
    #[cfg(test)]
    pub(super) fn threads_that_wait_to_sync(&self) -> usize {
        self.syncs.lock().threads
    }

    /// Why a sync failed, if one did.
    pub(super) fn failed_sync(&self) -> Option<&str> {
        self.syncs.failed.get().map(String::as_str)
    }
}

impl ReadyFlush {
    /// Hands it to the disk, or lets it wait for the next sync. `then` is called with the outcome; it must not wait.
    pub(crate) fn start<F>(self, queue: &IoQueue, then: F)
    where
        F: FnOnce(Result<(), ReplicaError>) + Send + 'static,
    {
        let replica = Arc::clone(&self.replica);
        let waiting = Waiting { flush: self, queue: queue.downgrade(), then: Box::new(then) };
        if let Some(group) = replica.syncs.join(waiting) {
            run(replica, group);
        }
    }
}

/// Syncs the head for `group`, whose turn it is.
fn run(replica: Arc<Replica>, group: Group) {
    let first = group.first().map(|first| (Arc::clone(&first.flush.image), first.queue.upgrade()));
    let Some((image, Some(queue))) = first else {
        // It ends with the runtime, and with it whoever waits for an answer.
        replica.syncs.fail("the disk's queue has ended");
        return ended(&replica, group);
    };
    if replica.syncs.check().is_err() {
        return ended(&replica, group);
    }
    let going_on = GoingOn { replica, group, outcome: None };
    let then = move |_, outcome: Result<(), DiskError>| {
        let mut ends_here = going_on;
        ends_here.outcome = Some(outcome);
    };
    queue.sync(image, Box::new(then));
}

/// A sync on the queue. It ends when this goes, also where a queue that ends never says how: others wait for its end.
struct GoingOn {
    replica: Arc<Replica>,
    group: Group,
    outcome: Option<Result<(), DiskError>>,
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        match self.outcome.take() {
            Some(Ok(())) => crash_point::reached("flush.head-synced"),
            Some(Err(error)) => self.replica.syncs.fail(&error.to_string()),
            None => self.replica.syncs.fail("the disk's queue has ended"),
        }
        ended(&self.replica, std::mem::take(&mut self.group));
    }
}

fn ended(replica: &Replica, group: Group) {
    let confirmed = replica.syncs.check().is_ok();
    replica.syncs.end_turn(false);
    replica.syncs.answer(group, confirmed);
}

/// A thread's turn; it ends when this goes.
struct Turn<'syncs> {
    syncs: &'syncs Syncs,
    /// Those who waited when it began: its sync is theirs too. Threads that come one after the other would keep them
    /// waiting for ever otherwise.
    group: Group,
    /// Everything was made durable.
    complete: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let confirmed = self.complete && self.syncs.check().is_ok();
        self.syncs.end_turn(self.complete);
        self.syncs.answer(std::mem::take(&mut self.group), confirmed);
    }
}

impl Syncs {
    /// Fails once a sync has failed.
    fn check(&self) -> Result<(), ReplicaError> {
        match self.failed.get() {
            None => Ok(()),
            Some(why) => Err(ReplicaError::Failed { why: format!("a sync failed: {why}") }),
        }
    }

    /// Tells those whose sync has ended. The turn has ended before, so that the next one may have begun and failed: that
    /// says nothing about theirs.
    fn answer(&self, group: Group, confirmed: bool) {
        for Waiting { flush, then, .. } in group {
            drop(flush);
            then(if confirmed { Ok(()) } else { self.check() });
        }
    }

    /// The first reason stays.
    fn fail(&self, why: &str) {
        let _ = self.failed.set(why.to_owned());
    }

    /// Waits on this thread until it may sync; `None` where another thread's sync, begun since, has done all of it.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let came = state.begun;
        state.threads += 1;
        while state.running && state.complete <= came {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.threads -= 1;
        if state.complete <= came {
            state.begin();
            let group = std::mem::take(&mut state.waiting);
            return Some(Turn { syncs: self, group, complete: false });
        }
        // It was the last one, perhaps, that others waited for.
        self.go_on(state);
        None
    }

    /// Gives back the group that may sync at once; otherwise `flush` waits.
    fn join(&self, flush: Waiting) -> Option<Group> {
        let mut state = self.lock();
        state.waiting.push(flush);
        state.next_group()
    }

    fn end_turn(&self, complete: bool) {
        let mut state = self.lock();
        state.running = false;
        if complete {
            state.complete = state.begun;
        }
        self.ended.notify_all();
        self.go_on(state);
    }

    /// Lets those sync who wait, if it is their turn.
    fn go_on(&self, mut state: MutexGuard<'_, State>) {
        let next = state.next_group();
        drop(state);
        if let Some(group) = next
            && let Some(first) = group.first()
        {
            run(Arc::clone(&first.flush.replica), group);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters and a list: every state of them that a panic may leave is a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self) {
        self.running = true;
        self.begun += 1;
    }

    fn next_group(&mut self) -> Option<Group> {
        if self.running || self.threads > 0 || self.waiting.is_empty() {
            return None;
        }
        self.begin();
        Some(std::mem::take(&mut self.waiting))
    }
}
