//! What the controller of backups remembers between passes. Forgetting it (a restart) costs an attempt too early, and the time
//! that a backup may take to begin starts anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after the first attempt that failed, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Known>>);

#[derive(Clone, Debug)]
struct Known {
    /// Since when it could begin but for what it waits for.
    turn_since: Instant,
    failures: u32,
    last_failure: Option<Instant>,
    /// Beginning of the attempt whose failure was noted.
    noted: String,
}

impl Default for Known {
    fn default() -> Self {
        Self { turn_since: Instant::now(), failures: 0, last_failure: None, noted: String::new() }
    }
}

impl Memory {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, backup: &str) {
        self.all().remove(backup);
    }

    /// How long it has been its turn.
    pub(super) fn waited(&self, backup: &str) -> Duration {
        self.all().entry(backup.to_owned()).or_default().turn_since.elapsed()
    }

    /// It is not its turn, or it has begun: the time to begin counts from the next turn on.
    pub(super) fn restart_clock(&self, backup: &str) {
        self.all().entry(backup.to_owned()).or_default().turn_since = Instant::now();
    }

    /// An attempt failed. How many have, in a row.
    pub(super) fn note_failure(&self, backup: &str) -> u32 {
        let mut all = self.all();
        let known = all.entry(backup.to_owned()).or_default();
        known.failures += 1;
        known.last_failure = Some(Instant::now());
        known.failures
    }

    /// Whether the failure of the attempt with this beginning is not noted yet; it is from now on.
    pub(super) fn is_news(&self, backup: &str, began: &str) -> bool {
        let mut all = self.all();
        let known = all.entry(backup.to_owned()).or_default();
        std::mem::replace(&mut known.noted, began.to_owned()) != began
    }

    /// What is left of the pause after the last attempt that failed.
    pub(super) fn pause(&self, backup: &str) -> Option<Duration> {
        let all = self.all();
        let known = all.get(backup)?;
        let pause = PAUSE_FIRST.saturating_mul(1 << known.failures.saturating_sub(1).min(16)).min(PAUSE_LONGEST);
        pause.checked_sub(known.last_failure?.elapsed()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_wait_longer_each_time_up_to_a_cap() {
        let memory = Memory::default();
        assert_eq!(memory.pause("b"), None);
        assert!(memory.is_news("b", "10:00") && !memory.is_news("b", "10:00") && memory.is_news("b", "10:01"));
        memory.note_failure("b");
        let first = memory.pause("b").unwrap();
        memory.note_failure("b");
        assert!(memory.pause("b").unwrap() > first);
        for _ in 0..40 {
            memory.note_failure("b");
        }
        assert!(memory.pause("b").unwrap() <= PAUSE_LONGEST);
        memory.forget("b");
        assert_eq!(memory.pause("b"), None);
    }
}
