//! What was refused lately and is tried again after a pause. Forgetting it (a restart) costs one attempt too early,
//! nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after the first refusal, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// What an engine refuses for (a purge, a rebuild) may take hours.
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

/// By volume.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Refusal>>);

/// The last refusal of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: String,
    pub count: u32,
    again_at: Instant,
}

impl Refusal {
    /// What is left of the pause before the next attempt.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.again_at.saturating_duration_since(now)
    }
}

impl Attempts {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers with the refusal, its count telling whether it is the first of a series.
    pub(super) fn note(&self, volume: &str, reason: &str, now: Instant) -> Refusal {
        let mut refusals = self.lock();
        let count = refusals.get(volume).map_or(0, |refusal| refusal.count);
        let pause = PAUSE_FIRST.saturating_mul(1 << count.min(16)).min(PAUSE_LONGEST);
        let refusal = Refusal { reason: reason.to_owned(), count: count + 1, again_at: now + pause };
        refusals.insert(volume.to_owned(), refusal.clone());
        refusal
    }

    pub(super) fn last(&self, volume: &str) -> Option<Refusal> {
        self.lock().get(volume).cloned()
    }

    pub(super) fn forget(&self, volume: &str) {
        self.lock().remove(volume);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_end_with_the_series() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        assert_eq!(attempts.note("v", "a purge runs", now).pause(now), PAUSE_FIRST);
        assert_eq!(attempts.note("v", "a purge runs", now).count, 2);
        for _ in 0..40 {
            attempts.note("v", "a purge runs", now);
        }
        assert_eq!(attempts.last("v").map(|refusal| refusal.pause(now)), Some(PAUSE_LONGEST));
        attempts.forget("v");
        assert_eq!(attempts.last("v"), None);
    }
}
