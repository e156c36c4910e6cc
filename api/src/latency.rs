//! How long requests took, counted in buckets that get wider as times get longer.
//!
//! ```text
//!  bucket     0        1…4            5…8            …    101…104          105
//!  from       0        1.02 µs        2.05 µs             34.4 s           68.7 s
//!  to         1.02 µs  2.05 µs        4.10 µs             68.7 s           any
//!             (2¹⁰ ns) 4 equal steps  4 equal steps       4 equal steps
//! ```
//! Four steps to each doubling: a quantile is off by a fifth at most, wherever it lies, and a request costs a few
//! instructions and no search.

use std::time::Duration;

/// A power of two has this many of its bits looked at below the highest one.
const STEP_BITS: u32 = 2;
const STEPS: u64 = 1 << STEP_BITS;
/// Powers of two, in nanoseconds, at which the first step begins and the last one ends. Nothing that crosses a process is
/// quicker, and what takes longer hangs.
const FIRST_POWER: u32 = 10;
const LAST_POWER: u32 = 36;

/// Number of buckets.
pub const BUCKETS: usize = 2 + ((LAST_POWER - FIRST_POWER) as usize) * STEPS as usize;

/// The bucket of a time in nanoseconds.
#[must_use]
pub const fn bucket_of(nanoseconds: u64) -> usize {
    if nanoseconds < 1 << FIRST_POWER {
        return 0;
    }
    let power = nanoseconds.ilog2();
    if power >= LAST_POWER {
        return BUCKETS - 1;
    }
    let step = (nanoseconds >> (power - STEP_BITS)) & (STEPS - 1);
    (1 + (power - FIRST_POWER) as u64 * STEPS + step) as usize
}

/// The shortest time in a bucket, in nanoseconds; that of the next bucket is the end of this one.
#[must_use]
pub const fn shortest_in(bucket: usize) -> u64 {
    if bucket == 0 {
        return 0;
    }
    let number = bucket as u64 - 1;
    (STEPS + number % STEPS) << (FIRST_POWER as u64 + number / STEPS - STEP_BITS as u64)
}

/// Times of one kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: [u64; BUCKETS],
    /// All times together.
    total_nanoseconds: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total_nanoseconds: 0 }
    }
}

impl Latencies {
    /// Of buckets and their counts, those not named empty. A bucket that does not exist counts as the last one.
    #[must_use]
    pub fn new(filled: impl IntoIterator<Item = (usize, u64)>, total_nanoseconds: u64) -> Self {
        let mut counts = [0_u64; BUCKETS];
        for (bucket, count) in filled {
            let into = &mut counts[bucket.min(BUCKETS - 1)];
            *into = into.saturating_add(count);
        }
        Self { counts, total_nanoseconds }
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    #[must_use]
    pub const fn total(&self) -> Duration {
        Duration::from_nanos(self.total_nanoseconds)
    }

    /// Requests shorter than so many nanoseconds; exact where a bucket ends there, as at each power of two from 2¹⁰ to 2³⁶.
    #[must_use]
    pub fn shorter_than(&self, nanoseconds: u64) -> u64 {
        let ended = self
            .counts
            .iter()
            .enumerate()
            .take_while(|(bucket, _)| *bucket + 1 < BUCKETS && shortest_in(*bucket + 1) <= nanoseconds);
        ended.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The time that this part (0 to 1) of the requests stayed below, as if times lay evenly in a bucket; none without
    /// requests.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate from buckets"
    )]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = self.count() as f64 * part.clamp(0.0, 1.0);
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= wanted {
                let from = shortest_in(bucket);
                // Nothing tells how long the longest ones took.
                let width = if bucket + 1 < BUCKETS { shortest_in(bucket + 1) - from } else { 0 };
                let into = ((wanted - below) / count).clamp(0.0, 1.0) * width as f64;
                return Some(Duration::from_nanos(from + into as u64));
            }
            below += count;
        }
        None
    }

    /// What was added since `before`. Counts that went down began anew: then all of it was.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let pairs = || self.counts.iter().zip(&before.counts);
        if pairs().any(|(now, then)| now < then) {
            return self.clone();
        }
        let added = pairs().map(|(now, then)| now - then).enumerate();
        Self::new(added, self.total_nanoseconds.saturating_sub(before.total_nanoseconds))
    }

    /// Puts both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sums = self.counts.iter().zip(&other.counts).map(|(one, two)| one.saturating_add(*two)).enumerate();
        Self::new(sums, self.total_nanoseconds.saturating_add(other.total_nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_without_gap_and_get_wider() {
        for bucket in 0..BUCKETS {
            let from = shortest_in(bucket);
            assert_eq!(bucket_of(from), bucket);
            if bucket > 0 {
                assert_eq!(bucket_of(from - 1), bucket - 1);
            }
            if (1..BUCKETS - 1).contains(&bucket) {
                assert!((shortest_in(bucket + 1) - from) * 4 <= from, "{bucket} is too wide");
            }
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
        // As in the table above.
        assert_eq!((shortest_in(1), shortest_in(5), shortest_in(BUCKETS - 1)), (1 << 10, 1 << 11, 1 << 36));
    }

    fn of(microseconds: &[u64]) -> Latencies {
        let times = microseconds.iter().map(|time| time * 1000);
        Latencies::new(times.clone().map(|time| (bucket_of(time), 1)), times.sum())
    }

    #[test]
    fn quantiles_are_near_the_truth() {
        assert_eq!(Latencies::default().quantile(0.5), None);
        let times: Vec<u64> = (1..=1000).map(|number| number * 10).collect();
        let latencies = of(&times);
        for (part, microseconds) in [(0.5, 5_000.0), (0.9, 9_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = latencies.quantile(part).unwrap().as_secs_f64() * 1e6;
            assert!((found / microseconds - 1.0).abs() < 0.2, "{part}: {found} for {microseconds}");
        }
        assert_eq!(latencies.count(), 1000);
        assert_eq!(latencies.total(), Duration::from_micros(5_005_000));
    }

    #[test]
    fn what_is_shorter_is_exact_at_powers_of_two() {
        let latencies = Latencies::new([1 << 14, (1 << 14) - 1, 1 << 15, u64::MAX].map(|time| (bucket_of(time), 1)), 0);
        assert_eq!([14, 15, 16, 36].map(|power| latencies.shorter_than(1 << power)), [1, 2, 3, 3]);
    }

    #[test]
    fn differences_know_a_new_beginning() {
        let (before, now) = (of(&[10, 20]), of(&[10, 20, 300]));
        assert_eq!(now.since(&before), of(&[300]));
        assert_eq!(before.since(&now), before, "it began anew");
        assert_eq!(of(&[10]).plus(&of(&[20])), before);
        // What can't be is no reason to fail.
        assert_eq!(Latencies::new([(5000, u64::MAX), (BUCKETS, 1)], 1).count(), u64::MAX);
    }
}
