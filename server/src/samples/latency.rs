//! How long requests took: counts in the buckets of [`aurochs_api::latency`], those that are empty left out.

use aurochs_api::latency::{BUCKETS, Latencies};
use aurochs_api::sample::LatencyPoint;
use aurochs_engine::grpc::engine_v1::LatencyCounts;

use super::varint::{Damaged, Reader, put};

/// Times of one kind of request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// Bucket and count, by bucket; no count is zero.
    counts: Vec<(u8, u64)>,
    total_nanoseconds: u64,
}

/// They fit in a byte.
const _: () = assert!(BUCKETS <= 256);

impl Times {
    /// As the engine tells them.
    pub(super) fn of(told: Option<&LatencyCounts>) -> Self {
        let Some(told) = told else { return Self::default() };
        let mut times = Self { counts: Vec::new(), total_nanoseconds: told.total_nanoseconds };
        for (bucket, count) in told.buckets.iter().zip(&told.counts).filter(|(_, count)| **count > 0) {
            times.add(u8::try_from((*bucket as usize).min(BUCKETS - 1)).unwrap_or(u8::MAX), *count);
        }
        times
    }

    fn add(&mut self, bucket: u8, count: u64) {
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.counts[place].1 = self.counts[place].1.saturating_add(count),
            Err(place) => self.counts.insert(place, (bucket, count)),
        }
    }

    fn count_in(&self, bucket: u8) -> u64 {
        self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket).map_or(0, |place| self.counts[place].1)
    }

    /// What was added since `before`; none when a count went down: another process.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        let fell = |(bucket, count): &(u8, u64)| self.count_in(*bucket) < *count;
        if before.counts.iter().any(fell) || self.total_nanoseconds < before.total_nanoseconds {
            return None;
        }
        let added = self.counts.iter().map(|(bucket, count)| (*bucket, count - before.count_in(*bucket)));
        Some(Self {
            counts: added.filter(|(_, count)| *count > 0).collect(),
            total_nanoseconds: self.total_nanoseconds - before.total_nanoseconds,
        })
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
        self.total_nanoseconds = self.total_nanoseconds.saturating_add(other.total_nanoseconds);
    }

    /// None without requests.
    pub(super) fn point(&self) -> Option<LatencyPoint> {
        let filled = self.counts.iter().map(|(bucket, count)| (usize::from(*bucket), *count));
        let latencies = Latencies::new(filled, self.total_nanoseconds);
        let mean = self.total_nanoseconds.checked_div(latencies.count())?;
        let nanoseconds = |part: f64| {
            latencies.quantile(part).map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).unwrap_or_default()
        };
        Some(LatencyPoint { mean, p50: nanoseconds(0.5), p99: nanoseconds(0.99) })
    }

    /// Number of filled buckets; of each its distance from the one before, and its count; then all times together.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.counts.len() as u64);
        let mut next = 0_u8;
        for (bucket, count) in &self.counts {
            put(out, u64::from(bucket.saturating_sub(next)));
            put(out, *count);
            next = bucket.saturating_add(1);
        }
        if !self.counts.is_empty() {
            put(out, self.total_nanoseconds);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut times = Self::default();
        let filled = reader.number()?;
        let mut next = 0_u64;
        for _ in 0..filled {
            let bucket = next.checked_add(reader.number()?).filter(|bucket| *bucket < BUCKETS as u64).ok_or(Damaged)?;
            times.counts.push((u8::try_from(bucket).map_err(|_| Damaged)?, reader.number()?));
            next = bucket + 1;
        }
        if filled > 0 {
            times.total_nanoseconds = reader.number()?;
        }
        Ok(times)
    }
}
