//! What the volume controller remembers between passes: who failed lately, so that nothing is tried in a tight loop.
//! Forgetting it (a restart) costs one attempt too early, nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::attempts::Attempts;
use super::rebuild::retry_pause;
use super::restore_memory::Restores;

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Volume to its engine's failures.
    ends: Mutex<HashMap<String, Ends>>,
    /// Replica to the start of its last rebuild.
    rebuilds: Mutex<HashMap<String, Instant>>,
    /// Volume to replicas above the wished number that could not be filled.
    extras: Mutex<HashMap<String, Extras>>,
    /// Volume to the first pass that saw it on its way down.
    detaching: Mutex<HashMap<String, Instant>>,
    /// Expansions that were refused.
    pub(super) attempts: Attempts,
    /// Restores that failed.
    pub(super) restores: Restores,
}

#[derive(Clone, Copy, Debug)]
struct Extras {
    lost: u32,
    last: Instant,
}

#[derive(Clone, Debug)]
struct Ends {
    count: u32,
    last: Instant,
    reason: String,
    /// The same end is met by several passes; it counts once until the volume was attached or opened again.
    over: bool,
}

/// An engine that served this long was not part of a series of failures.
const STABLE: Duration = Duration::from_secs(60);
/// Pause before the second attempt after an engine ended; the first is made at once. Doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// Pause after a replica above the wished number was given up, after all its retries; doubled up to the longest.
const EXTRA_PAUSE_FIRST: Duration = Duration::from_secs(60);
const EXTRA_PAUSE_LONGEST: Duration = Duration::from_secs(1800);

impl Memory {
    /// The engine ended or could not be started.
    pub(super) fn note_end(&self, volume: &str, reason: &str) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Ends { count: 0, last: Instant::now(), reason: String::new(), over: true };
        let entry = ends.entry(volume.to_owned()).or_insert_with(fresh);
        // Passes within one failure come in quick succession; one that is really new is further away.
        if entry.over || entry.last.elapsed() > PAUSE_FIRST {
            entry.count += 1;
            entry.last = Instant::now();
            entry.over = false;
        }
        reason.clone_into(&mut entry.reason);
    }

    /// The engine serves. What went before is forgotten when it has done so for a while.
    pub(super) fn note_attached(&self, volume: &str) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = ends.get_mut(volume) {
            entry.over = true;
            entry.reason.clear();
            if entry.last.elapsed() > STABLE {
                ends.remove(volume);
            }
        }
    }

    /// How long to wait before the volume is opened again.
    pub(super) fn open_pause(&self, volume: &str) -> Duration {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = ends.get(volume).filter(|entry| entry.count > 1) else { return Duration::ZERO };
        let pause = PAUSE_FIRST.saturating_mul(1 << (entry.count - 2).min(8)).min(PAUSE_LONGEST);
        pause.saturating_sub(entry.last.elapsed())
    }

    /// Why the engine ended, while the volume is not attached again.
    pub(super) fn last_end(&self, volume: &str) -> Option<String> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(volume).map(|entry| entry.reason.clone()).filter(|reason| !reason.is_empty())
    }

    pub(super) fn forget(&self, volume: &str) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(volume);
        self.attempts.forget(volume);
        self.detaching_for(volume, false);
        self.forget_extra(volume);
        // Replica names begin with the volume's and "-r-".
        let prefix = format!("{volume}-r-");
        let mut rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        rebuilds.retain(|replica, _| !replica.starts_with(&prefix));
    }

    /// How long the volume has been on its way down, as far as this manager saw it; nothing while it is not.
    pub(super) fn detaching_for(&self, volume: &str, is_detaching: bool) -> Option<Duration> {
        let mut detaching = self.detaching.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_detaching {
            detaching.remove(volume);
            return None;
        }
        Some(detaching.entry(volume.to_owned()).or_insert_with(Instant::now).elapsed())
    }

    pub(super) fn note_rebuild(&self, replica: &str) {
        let mut rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        rebuilds.insert(replica.to_owned(), Instant::now());
    }

    /// How long the replica still rests before its next attempt.
    pub(super) fn rebuild_pause(&self, replica: &str, retries: u32) -> Duration {
        let rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        let since = rebuilds.get(replica).map(Instant::elapsed);
        since.map_or(Duration::ZERO, |since| retry_pause(retries).saturating_sub(since))
    }

    /// A replica above the wished number was given up: the next one waits.
    pub(super) fn note_extra_lost(&self, volume: &str) {
        let mut extras = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = extras.entry(volume.to_owned()).or_insert(Extras { lost: 0, last: Instant::now() });
        *entry = Extras { lost: entry.lost + 1, last: Instant::now() };
    }

    /// None is needed any more.
    pub(super) fn forget_extra(&self, volume: &str) {
        self.extras.lock().unwrap_or_else(PoisonError::into_inner).remove(volume);
    }

    /// How long to wait before another one is made.
    pub(super) fn extra_pause(&self, volume: &str) -> Duration {
        let extras = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = extras.get(volume) else { return Duration::ZERO };
        let pause = EXTRA_PAUSE_FIRST.saturating_mul(1 << (entry.lost.saturating_sub(1)).min(8));
        pause.min(EXTRA_PAUSE_LONGEST).saturating_sub(entry.last.elapsed())
    }
}
