//! What the volume has done since the engine started.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::grpc::engine_v1::IoCounters;

/// Counters of completed requests; times are sums of nanoseconds.
#[derive(Default)]
pub(crate) struct Counters {
    reads: AtomicU64,
    read_bytes: AtomicU64,
    read_nanoseconds: AtomicU64,
    writes: AtomicU64,
    written_bytes: AtomicU64,
    write_nanoseconds: AtomicU64,
    flushes: AtomicU64,
    discards: AtomicU64,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Counters {
    pub(crate) fn read(&self, bytes: u64, time: Duration) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.read_nanoseconds.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }

    pub(crate) fn write(&self, bytes: u64, time: Duration) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.write_nanoseconds.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }

    pub(crate) fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn discard(&self) {
        self.discards.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes whenever the volume's layers may have grown.
    pub(crate) fn modifications(&self) -> u64 {
        self.writes.load(Ordering::Relaxed) + self.discards.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> IoCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IoCounters {
            reads: get(&self.reads),
            read_bytes: get(&self.read_bytes),
            writes: get(&self.writes),
            written_bytes: get(&self.written_bytes),
            flushes: get(&self.flushes),
            discards: get(&self.discards),
            read_nanoseconds: get(&self.read_nanoseconds),
            write_nanoseconds: get(&self.write_nanoseconds),
        }
    }
}
