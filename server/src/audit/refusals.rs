//! How many rows there are for what changed nothing: nobody may push the log's real rows out by asking in vain.

use std::time::{Duration, Instant};

/// So many at once,
const BURST: u32 = 100;
/// then one in this time: eight thousand a day at most.
const PACE: Duration = Duration::from_secs(10);

/// Rows that are left, and what had none.
#[derive(Debug)]
pub(super) struct Refusals {
    left: u32,
    /// When `left` was last right.
    at: Option<Instant>,
    without: u64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { left: BURST, at: None, without: 0 }
    }
}

impl Refusals {
    /// Whether this one has a row, and how many before it had none.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let at = *self.at.get_or_insert(now);
        let gained = u32::try_from(now.saturating_duration_since(at).as_secs() / PACE.as_secs()).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(BURST);
            self.at = Some(if self.left == BURST { now } else { at + PACE * gained });
        }
        if self.left == 0 {
            self.without += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.without))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        let kept = (0..10_000).filter(|_| refusals.take(now).is_some()).count();
        assert_eq!(kept, BURST as usize);
        assert_eq!(refusals.take(now + PACE), Some(10_000 - u64::from(BURST)));
        assert_eq!(refusals.take(now + PACE), None);
        let day = now + Duration::from_secs(24 * 60 * 60);
        assert_eq!((0..10_000).filter(|_| refusals.take(day).is_some()).count(), BURST as usize);
    }
}
