//! How far the making of an image is, and whether anything of it still goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

/// Cheap to clone; all clones are the same. Every thread that works on the image holds one.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    planned: AtomicU64,
    cancelled: AtomicBool,
    /// Gone when the last clone is.
    alive: watch::Sender<()>,
}

impl Progress {
    /// Bytes in all; 0 where nobody knows.
    pub(super) fn plan(&self, bytes: u64) {
        self.0.planned.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn at(&self, bytes: u64) {
        self.0.done.store(bytes, Ordering::Relaxed);
    }

    /// Done, and planned.
    pub(super) fn seen(&self) -> (u64, u64) {
        (self.0.done.load(Ordering::Relaxed), self.0.planned.load(Ordering::Relaxed))
    }

    /// Asks the threads to end that can't be dropped.
    pub(super) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn cancelled(&self) -> &AtomicBool {
        &self.0.cancelled
    }

    /// Returns when nobody works on it any more.
    pub(super) fn gone(self) -> impl Future<Output = ()> + Send {
        let mut alive = self.0.alive.subscribe();
        drop(self);
        async move { while alive.changed().await.is_ok() {} }
    }
}
