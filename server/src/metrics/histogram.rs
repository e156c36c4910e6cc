//! How long something took, counted in buckets.

use std::time::Duration;

/// Counts of durations; the last bucket has no end.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum_seconds: f64,
}

impl Histogram {
    /// With buckets up to these seconds, which must rise.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum_seconds: 0.0 }
    }

    /// Counted by somebody else: `up_to` has the number of durations up to each bound, and `count` is that of all.
    pub(super) fn of_cumulative(bounds: &'static [f64], up_to: &[u64], count: u64, sum: Duration) -> Self {
        let ends = up_to.iter().copied().chain([count]);
        let starts = [0].into_iter().chain(up_to.iter().copied());
        let counts = ends.zip(starts).map(|(end, start)| end.saturating_sub(start)).collect();
        Self { bounds, counts, sum_seconds: sum.as_secs_f64() }
    }

    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_seconds += seconds;
    }

    /// Each bound with the number of durations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }

    pub(super) const fn sum_seconds(&self) -> f64 {
        self.sum_seconds
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_bound() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [50, 100, 101, 1000, 5000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let found: Vec<_> = histogram.cumulative().collect();
        assert_eq!(found, [(0.1, 2), (1.0, 4), (f64::INFINITY, 5)]);
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum_seconds() - 6.251).abs() < 1e-9);
    }
}
