//! Times in which this process did not run: its machine was paused (a snapshot or a move of a virtual machine), it was
//! stopped, or it had no processor.
//!
//! Clocks go on meanwhile, and answers lie unread in sockets. So what looks like the silence of another may be our own, and
//! is not counted as such.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Times that are kept; older ones are forgotten. More than a request of interest waits for, at one a second.
const KEPT: usize = 64;

/// What a regular look at the clock tells.
#[derive(Debug)]
pub(super) struct Standstills {
    interval: Duration,
    last_look: Instant,
    /// When each was noticed, and how long it was.
    noticed: VecDeque<(Instant, Duration)>,
}

impl Standstills {
    /// There will be a look every `interval`.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, last_look: now, noticed: VecDeque::new() }
    }

    /// A look that comes more than an interval late was held up.
    pub(super) fn look(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.last_look).saturating_sub(self.interval);
        self.last_look = now;
        if late <= self.interval {
            return;
        }
        if self.noticed.len() == KEPT {
            self.noticed.pop_front();
        }
        self.noticed.push_back((now, late));
    }

    /// How long of the last `wait` this process has run.
    pub(super) fn run_of(&self, wait: Duration, now: Instant) -> Duration {
        let within = |noticed: Instant| now.saturating_duration_since(noticed) < wait;
        let stood = self.noticed.iter().filter(|(noticed, _)| within(*noticed)).map(|(_, late)| *late).sum();
        wait.saturating_sub(stood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(500);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_counts_as_far_as_this_process_ran() {
        let mut now = Instant::now();
        let mut standstills = Standstills::new(INTERVAL, now);
        let mut pass = |standstills: &mut Standstills, time| {
            now += time;
            standstills.look(now);
            now
        };
        for _ in 0..20 {
            // A little late, as always.
            let now = pass(&mut standstills, INTERVAL + INTERVAL / 2);
            assert_eq!(standstills.run_of(10 * SECOND, now), 10 * SECOND);
        }
        let now = pass(&mut standstills, 30 * SECOND);
        assert_eq!(standstills.run_of(31 * SECOND, now), SECOND + INTERVAL, "asked a second before the pause");
        let now = pass(&mut standstills, INTERVAL);
        assert_eq!(standstills.run_of(INTERVAL, now), INTERVAL, "asked after it");
        assert_eq!(standstills.run_of(20 * SECOND, now), Duration::ZERO, "asked in it, as far as can be told");
    }

    #[test]
    fn who_is_slow_all_the_time_still_finds_out_who_is_silent() {
        let mut now = Instant::now();
        let asked = now;
        let mut standstills = Standstills::new(INTERVAL, now);
        for _ in 0..100 {
            now += 4 * INTERVAL;
            standstills.look(now);
        }
        assert!(standstills.run_of(now - asked, now) >= 50 * SECOND);
    }
}
