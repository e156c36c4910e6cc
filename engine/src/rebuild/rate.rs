//! Bytes per second of the last few seconds.

use std::time::Duration;

use tokio::time::Instant;

/// Shorter spans say more about single pieces than about the copy.
const SPAN: Duration = Duration::from_secs(2);

/// Two marks, the older one at least a span back once there are enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    older: (Instant, u64),
    newer: (Instant, u64),
}

impl Rate {
    pub(super) fn start(now: Instant) -> Self {
        Self { older: (now, 0), newer: (now, 0) }
    }

    /// The rate when so many bytes are done by now.
    pub(super) fn after(&mut self, done: u64, now: Instant) -> u64 {
        if now - self.newer.0 >= SPAN {
            (self.older, self.newer) = (self.newer, (now, done));
        }
        let (since, before) = self.older;
        let milliseconds = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX).max(1);
        done.saturating_sub(before).saturating_mul(1000) / milliseconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_rate_shows_within_seconds() {
        let began = Instant::now();
        let mut rate = Rate::start(began);
        let mut done = 0;
        for second in 1..=10 {
            done += 1000;
            assert_eq!(rate.after(done, began + Duration::from_secs(second)), 1000, "after {second} s");
        }
        for second in 11..=20 {
            done += 10;
            rate.after(done, began + Duration::from_secs(second));
        }
        assert_eq!(rate.after(done, began + Duration::from_secs(20)), 10);
    }
}
