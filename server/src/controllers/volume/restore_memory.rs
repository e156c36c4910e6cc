//! Restores that failed lately. Forgetting them (a restart) costs one attempt too early.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after the first attempt that failed, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(600);

/// By volume.
#[derive(Debug, Default)]
pub(super) struct Restores(Mutex<HashMap<String, Failed>>);

#[derive(Clone, Debug, Default)]
struct Failed {
    count: u32,
    last: Option<Instant>,
    /// Beginning of the attempt whose end was told.
    told: String,
}

impl Restores {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, volume: &str) {
        self.all().remove(volume);
    }

    /// Whether the end of the attempt with this beginning is not counted yet; it is from now on.
    pub(super) fn is_news(&self, volume: &str, began: &str) -> bool {
        let mut all = self.all();
        let failed = all.entry(volume.to_owned()).or_default();
        std::mem::replace(&mut failed.told, began.to_owned()) != began
    }

    /// The pause from now on.
    pub(super) fn note_failure(&self, volume: &str) -> Duration {
        let mut all = self.all();
        let failed = all.entry(volume.to_owned()).or_default();
        failed.count += 1;
        failed.last = Some(Instant::now());
        pause_after(failed.count)
    }

    /// What is left of it.
    pub(super) fn pause(&self, volume: &str) -> Option<Duration> {
        let all = self.all();
        let failed = all.get(volume)?;
        pause_after(failed.count).checked_sub(failed.last?.elapsed()).filter(|left| !left.is_zero())
    }
}

fn pause_after(failures: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_counts_once_and_pauses_grow() {
        let restores = Restores::default();
        assert!(restores.is_news("v", "10:00") && !restores.is_news("v", "10:00") && restores.is_news("v", "10:01"));
        assert_eq!(restores.pause("v"), None);
        assert!(restores.note_failure("v") < restores.note_failure("v"));
        assert!(restores.pause("v").is_some());
        restores.forget("v");
        assert_eq!(restores.pause("v"), None);
        assert_eq!(pause_after(u32::MAX), PAUSE_LONGEST);
    }
}
