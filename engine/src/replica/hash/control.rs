//! A hash that runs, as others see and end it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::HashError;

/// Shared between a hash and those who watch it.
#[derive(Debug, Default)]
pub struct HashControl {
    /// Why the hash has to end, once it has to.
    cancelled: Mutex<Option<String>>,
    told: Condvar,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
}

impl HashControl {
    /// Ends the hash, at the latest after the piece that is being read. The first reason stays.
    pub fn cancel(&self, why: &str) {
        let mut cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        cancelled.get_or_insert_with(|| why.to_owned());
        self.told.notify_all();
    }

    /// Bytes of the file that are hashed, and the file's size. Holes count as hashed.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.done_bytes.load(Ordering::Relaxed), self.total_bytes.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, done_bytes: u64, total_bytes: u64) {
        self.done_bytes.store(done_bytes, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    /// Waits, and is woken by a cancellation.
    pub(super) fn pause(&self, snapshot: &str, time: Duration) -> Result<(), HashError> {
        let cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(cancelled, time, |cancelled| cancelled.is_none());
        let (cancelled, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &*cancelled {
            None => Ok(()),
            Some(why) => Err(HashError::Cancelled { snapshot: snapshot.to_owned(), why: why.clone() }),
        }
    }
}
