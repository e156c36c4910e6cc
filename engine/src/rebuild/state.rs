//! Progress of rebuilds, as the status shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::grpc::engine_v1::Rebuild;

/// The last rebuild of each replica.
#[derive(Clone, Default)]
pub(crate) struct Rebuilds(Arc<Mutex<BTreeMap<String, Entry>>>);

#[derive(Clone)]
struct Entry {
    shown: Rebuild,
    started: Instant,
}

/// Hand on one running rebuild. Whatever becomes of its holder, the rebuild does not look running for ever.
pub(crate) struct Progress {
    rebuilds: Rebuilds,
    replica: String,
}

impl Rebuilds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        rebuilds.insert(replica.to_owned(), Entry { shown, started: Instant::now() });
        Some(Progress { rebuilds: self.clone(), replica: replica.to_owned() })
    }
}

impl Progress {
    fn update(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.rebuilds.lock().get_mut(&self.replica) {
            change(entry);
        }
    }

    /// From here on `bytes` more will be copied from this source.
    pub(crate) fn plan(&self, source: &str, bytes: u64) {
        self.update(|entry| {
            entry.shown.from_replica = source.to_owned();
            entry.shown.planned_bytes = entry.shown.done_bytes + bytes;
            entry.started = Instant::now();
        });
    }

    pub(crate) fn copied(&self, bytes: u64) {
        self.update(|entry| {
            entry.shown.done_bytes += bytes;
            let seconds = entry.started.elapsed().as_secs_f64().max(0.001);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rate for people"
            )]
            let rate = (entry.shown.done_bytes as f64 / seconds) as u64;
            entry.shown.bytes_per_second = rate;
        });
    }

    pub(crate) fn succeed(&self) {
        self.update(|entry| entry.shown.running = false);
    }

    pub(crate) fn fail(&self, error: &str) {
        self.update(|entry| {
            entry.shown.running = false;
            entry.shown.error = error.to_owned();
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.update(|entry| {
            if entry.shown.running {
                entry.shown.running = false;
                entry.shown.error = "it was given up before it began".to_owned();
            }
        });
    }
}
