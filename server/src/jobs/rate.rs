//! How fast a job goes, and how long it takes on.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What the pace is measured over.
const WINDOW: Duration = Duration::from_secs(10);
/// Reports that come faster are taken together.
const SAMPLE_PERIOD: Duration = Duration::from_millis(500);

/// Bytes done at moments of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    pub(super) fn note(&mut self, now: Instant, done: u64) {
        if self.0.back().is_some_and(|(_, before)| *before > done) {
            // It began again.
            self.0.clear();
        }
        match self.0.len() {
            // The latest of those that come fast stands for them.
            count if count > 1 && now - self.0[count - 2].0 < SAMPLE_PERIOD => self.0[count - 1] = (now, done),
            _ => self.0.push_back((now, done)),
        }
        // One that is older than the window stays, so that the window is whole.
        while self.0.len() > 2 && now - self.0[1].0 >= WINDOW {
            self.0.pop_front();
        }
    }

    /// Bytes in a second, until now: what does not go on gets slower and slower.
    pub(super) fn bytes_per_second(&self, now: Instant) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0 };
        let milliseconds = u64::try_from((now - first.0).as_millis()).unwrap_or(u64::MAX);
        let rate = (last.1 - first.1).saturating_mul(1000).checked_div(milliseconds).unwrap_or_default();
        if now - last.0 > 3 * WINDOW { 0 } else { rate }
    }

    /// `None` where there is nothing to reckon with.
    pub(super) fn seconds_left(&self, now: Instant, planned: Option<u64>, done: u64) -> Option<u64> {
        let rate = self.bytes_per_second(now);
        planned?.saturating_sub(done).checked_div(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_last_seconds() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(rate.bytes_per_second(start), 0);
        for second in 0..=20 {
            rate.note(at(second), second * 100);
        }
        assert_eq!(rate.bytes_per_second(at(20)), 100);
        for second in 21..=40 {
            rate.note(at(second), 2000 + (second - 20) * 10);
        }
        assert_eq!(rate.bytes_per_second(at(40)), 10, "the fast beginning is forgotten");
        assert_eq!(rate.seconds_left(at(40), Some(3200), 2200), Some(100));
        assert_eq!(rate.seconds_left(at(40), None, 2200), None);
        assert_eq!(rate.bytes_per_second(at(100)), 0, "it stands still");
        assert_eq!(rate.seconds_left(at(100), Some(3200), 2200), None);
        assert!(rate.0.len() < 30);
    }

    #[test]
    fn many_reports_take_little_room_and_one_that_begins_again_is_no_negative_pace() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        for millisecond in 0..60_000 {
            rate.note(start + Duration::from_millis(millisecond), millisecond);
        }
        assert!(rate.0.len() < 50, "{}", rate.0.len());
        let end = start + Duration::from_secs(60);
        assert!((900..1100).contains(&rate.bytes_per_second(end)));
        rate.note(end, 5);
        assert_eq!(rate.bytes_per_second(end), 0);
    }
}
