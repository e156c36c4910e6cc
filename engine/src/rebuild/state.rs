//! What the status shows of rebuilds, and how one is asked to end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::pace::{Pace, RebuildPace};
use super::rate::Rate;
use crate::grpc::engine_v1::{Rebuild, RebuildPaceStatus, RebuildSource};

/// The last rebuild of each replica, and the pace of all.
#[derive(Clone, Default)]
pub(crate) struct Rebuilds(Arc<Shared>);

#[derive(Default)]
struct Shared {
    last: Mutex<BTreeMap<String, Entry>>,
    pace: Arc<Pace>,
    /// Counts ends of rebuilds.
    ended: watch::Sender<u64>,
    /// Numbers them.
    begun: AtomicU64,
}

struct Entry {
    number: u64,
    shown: Rebuild,
    rate: Rate,
    /// Why it has to end, once somebody has asked for that.
    cancelled: watch::Sender<Option<String>>,
}

/// Hand on one running rebuild. Whatever becomes of its holder, the rebuild does not look running for ever.
pub(crate) struct Progress {
    rebuilds: Rebuilds,
    replica: String,
    /// The replica may be rebuilt again while the one before still ends.
    number: u64,
    cancelled: watch::Receiver<Option<String>>,
}

impl Rebuilds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.0.pace
    }

    pub(crate) fn shown_pace(&self) -> RebuildPaceStatus {
        let RebuildPace { max_bytes_per_second, concurrent_sources } = self.0.pace.get();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is between 0 and 1")]
        let share_percent = (self.0.pace.share() * 100.0).round() as u32;
        RebuildPaceStatus { max_bytes_per_second, concurrent_sources, share_percent }
    }

    pub(crate) fn list(&self) -> Vec<Rebuild> {
        self.lock().values().map(|entry| entry.shown.clone()).collect()
    }

    /// `None` while another one runs.
    pub(crate) fn begin(&self, replica: &str) -> Option<Progress> {
        let mut rebuilds = self.lock();
        if rebuilds.values().any(|entry| entry.shown.running) {
            return None;
        }
        let shown = Rebuild { replica: replica.to_owned(), running: true, ..Rebuild::default() };
        let (cancel, cancelled) = watch::channel(None);
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        let rate = Rate::start(Instant::now());
        rebuilds.insert(replica.to_owned(), Entry { number, shown, rate, cancelled: cancel });
        Some(Progress { rebuilds: self.clone(), replica: replica.to_owned(), number, cancelled })
    }

    /// Asks the rebuild of this replica to end, if one runs.
    pub(crate) fn cancel(&self, replica: &str, why: &str) {
        if let Some(entry) = self.lock().get(replica).filter(|entry| entry.shown.running) {
            entry.cancelled.send_replace(Some(why.to_owned()));
        }
    }

    /// Asks whatever runs to end, and waits until it has.
    pub(crate) async fn end(&self, why: &str) {
        let mut ended = self.0.ended.subscribe();
        for entry in self.lock().values().filter(|entry| entry.shown.running) {
            entry.cancelled.send_replace(Some(why.to_owned()));
        }
        // An error means that the sender is gone, and it is `self`.
        let _ = ended.wait_for(|_| !self.lock().values().any(|entry| entry.shown.running)).await;
    }
}

impl Progress {
    fn update<T>(&self, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut rebuilds = self.rebuilds.lock();
        rebuilds.get_mut(&self.replica).filter(|entry| entry.number == self.number).map(change)
    }

    fn source(&self, name: &str, change: impl FnOnce(&mut RebuildSource)) {
        self.update(|entry| {
            if let Some(source) = entry.shown.sources.iter_mut().find(|source| source.replica == name) {
                change(source);
            }
        });
    }

    /// Resolves when the rebuild has to end; says why.
    pub(super) async fn cancelled(&self) -> String {
        let mut cancelled = self.cancelled.clone();
        let why = cancelled.wait_for(Option::is_some).await.map(|why| why.clone().unwrap_or_default());
        match why {
            Ok(why) => why,
            // Its entry was replaced, which happens to those that have ended only.
            Err(_) => std::future::pending().await,
        }
    }

    /// Fails once the rebuild has to end.
    pub(super) fn check(&self) -> Result<(), String> {
        self.cancelled.borrow().clone().map_or(Ok(()), Err)
    }

    /// A member that can be copied from, over so many streams.
    pub(super) fn source_opened(&self, name: &str, streams: usize) {
        let streams = u32::try_from(streams).unwrap_or(u32::MAX);
        let source = RebuildSource { replica: name.to_owned(), streams, ..RebuildSource::default() };
        self.update(|entry| entry.shown.sources.push(source));
    }

    /// Nothing more is copied from this member, or nothing could be.
    pub(super) fn source_lost(&self, name: &str, error: &str) {
        self.update(|entry| {
            if !entry.shown.sources.iter().any(|source| source.replica == name) {
                entry.shown.sources.push(RebuildSource { replica: name.to_owned(), ..RebuildSource::default() });
            }
        });
        self.source(name, |source| {
            source.snapshot.clear();
            error.clone_into(&mut source.error);
        });
    }

    /// What a source gives now; empty for nothing.
    pub(super) fn source_gives(&self, name: &str, snapshot: &str) {
        self.source(name, |source| snapshot.clone_into(&mut source.snapshot));
        self.update(|entry| {
            if entry.shown.from_replica.is_empty() {
                name.clone_into(&mut entry.shown.from_replica);
            }
        });
    }

    /// So many bytes have to be moved in all; from here on the rate counts.
    pub(super) fn plan(&self, bytes: u64) {
        self.update(|entry| {
            entry.shown.planned_bytes = bytes;
            entry.rate = Rate::start(Instant::now());
        });
    }

    /// What was thought to be moved turned out to be more or less.
    pub(super) fn replan(&self, thought: u64, found: u64) {
        self.update(|entry| {
            entry.shown.planned_bytes = (entry.shown.planned_bytes + found).saturating_sub(thought);
        });
    }

    pub(super) fn copied(&self, source: &str, bytes: u64) {
        self.source(source, |source| source.done_bytes += bytes);
        self.update(|entry| {
            entry.shown.done_bytes += bytes;
            entry.shown.bytes_per_second = entry.rate.after(entry.shown.done_bytes, Instant::now());
        });
    }

    pub(super) fn succeed(&self) {
        self.over("");
    }

    pub(super) fn fail(&self, error: &str) {
        self.over(error);
    }

    fn over(&self, error: &str) {
        self.update(|entry| {
            entry.shown.running = false;
            error.clone_into(&mut entry.shown.error);
            for source in &mut entry.shown.sources {
                source.snapshot.clear();
            }
        });
        self.rebuilds.0.ended.send_modify(|count| *count += 1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.update(|entry| entry.shown.running) == Some(true) {
            self.over("it was given up before it began");
        }
    }
}
