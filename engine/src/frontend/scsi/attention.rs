//! Unit attentions: what a session is told before its next command is carried out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sense::{AdditionalSense, Sense};

/// The unit attentions that a session has not been told of yet, oldest first, each code once.
#[derive(Debug, Default)]
pub(super) struct Attentions {
    /// Whether the list has anything, so that a command costs no lock while there is nothing to tell.
    any: AtomicBool,
    waiting: Mutex<Vec<AdditionalSense>>,
}

impl Attentions {
    pub(super) fn raise(&self, code: AdditionalSense) {
        let mut waiting = self.lock();
        if !waiting.contains(&code) {
            waiting.push(code);
        }
        self.any.store(true, Ordering::Release);
    }

    /// The next one to tell; it is told once.
    pub(super) fn take(&self) -> Option<Sense> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = self.lock();
        let next = (!waiting.is_empty()).then(|| waiting.remove(0));
        self.any.store(!waiting.is_empty(), Ordering::Release);
        next.map(Sense::unit_attention)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AdditionalSense>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
