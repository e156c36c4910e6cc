//! Who was refused by an engine lately, so that it is asked again with growing pauses. Forgetting it (a restart) costs
//! one attempt too early, nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after the first refusal, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// Longest pause: what an engine refuses for (a purge, a clone) may take hours, and ends without a word to us.
const PAUSE_LONGEST: Duration = Duration::from_secs(120);

/// By engine and replica.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<(String, String), Refusal>>);

#[derive(Debug)]
struct Refusal {
    count: u32,
    again_at: Instant,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long to wait before the next attempt.
    pub(super) fn note(&self, engine: &str, replica: &str, now: Instant) -> Duration {
        let mut refusals = self.lock();
        let key = (engine.to_owned(), replica.to_owned());
        let refusal = refusals.entry(key).or_insert(Refusal { count: 0, again_at: now });
        let pause = PAUSE_FIRST.saturating_mul(1 << refusal.count.min(16)).min(PAUSE_LONGEST);
        refusal.count += 1;
        refusal.again_at = now + pause;
        pause
    }

    /// What is left of the pause; zero for one that may ask.
    pub(super) fn pause(&self, engine: &str, replica: &str, now: Instant) -> Duration {
        let refusals = self.lock();
        let refusal = refusals.get(&(engine.to_owned(), replica.to_owned()));
        refusal.map_or(Duration::ZERO, |refusal| refusal.again_at.saturating_duration_since(now))
    }

    pub(super) fn forget(&self, engine: &str, replica: &str) {
        self.lock().remove(&(engine.to_owned(), replica.to_owned()));
    }

    pub(super) fn forget_engine(&self, engine: &str) {
        self.lock().retain(|(refusing, _), _| refusing != engine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_are_each_replicas_own() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.pause("e", "a", now), Duration::ZERO);
        let pauses: Vec<_> = (0..9).map(|_| refusals.note("e", "a", now).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 120, 120, 120]);
        assert_eq!((refusals.pause("e", "a", now), refusals.pause("e", "b", now)), (PAUSE_LONGEST, Duration::ZERO));
        assert_eq!(refusals.pause("e", "a", now + PAUSE_LONGEST), Duration::ZERO);
        refusals.forget_engine("e");
        assert_eq!(refusals.note("e", "a", now), PAUSE_FIRST);
    }
}
