//! Times of one kind of request, as they are counted while requests end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aurochs_api::latency::{BUCKETS, bucket_of};

use crate::grpc::engine_v1::LatencyCounts;

/// A count for each bucket and the sum of all times: a request adds to two words, and nobody waits for anybody.
pub(super) struct LatencyCells {
    counts: [AtomicU64; BUCKETS],
    total_nanoseconds: AtomicU64,
}

impl Default for LatencyCells {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], total_nanoseconds: AtomicU64::new(0) }
    }
}

impl LatencyCells {
    pub(super) fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.total_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn total_nanoseconds(&self) -> u64 {
        self.total_nanoseconds.load(Ordering::Relaxed)
    }

    /// Filled buckets alone. A request that ends meanwhile may be in the sum and not yet in its bucket, or the other way
    /// round.
    pub(super) fn told(&self) -> LatencyCounts {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let (buckets, counts) = (0_u32..).zip(counts).filter(|(_, count)| *count > 0).unzip();
        LatencyCounts { buckets, counts, total_nanoseconds: self.total_nanoseconds() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_buckets_are_told_and_no_others() {
        let cells = LatencyCells::default();
        assert_eq!(cells.told(), LatencyCounts::default());
        for microseconds in [80, 80, 5_000] {
            cells.add(Duration::from_micros(microseconds));
        }
        let told = cells.told();
        assert_eq!(told.counts, [2, 1]);
        assert_eq!(told.buckets, [80_000, 5_000_000].map(|time| u32::try_from(bucket_of(time)).unwrap()));
        assert_eq!(told.total_nanoseconds, 5_160_000);
    }
}
