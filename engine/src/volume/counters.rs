//! What the volume has done since the engine started.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::LatencyCells;
use crate::grpc::engine_v1::{IoCounters, IoLatencies};

/// Counters of completed requests. A request's time is what the frontend waited for it.
#[derive(Default)]
pub(crate) struct Counters {
    reads: AtomicU64,
    read_bytes: AtomicU64,
    read_times: LatencyCells,
    writes: AtomicU64,
    written_bytes: AtomicU64,
    write_times: LatencyCells,
    flushes: AtomicU64,
    flush_times: LatencyCells,
    discards: AtomicU64,
    discard_times: LatencyCells,
}

impl Counters {
    pub(crate) fn read(&self, bytes: u64, time: Duration) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.read_times.add(time);
    }

    pub(crate) fn write(&self, bytes: u64, time: Duration) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.write_times.add(time);
    }

    pub(crate) fn flush(&self, time: Duration) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flush_times.add(time);
    }

    pub(crate) fn discard(&self, time: Duration) {
        self.discards.fetch_add(1, Ordering::Relaxed);
        self.discard_times.add(time);
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
            read_nanoseconds: self.read_times.total_nanoseconds(),
            write_nanoseconds: self.write_times.total_nanoseconds(),
        }
    }

    pub(crate) fn latencies(&self) -> IoLatencies {
        IoLatencies {
            read: Some(self.read_times.told()),
            write: Some(self.write_times.told()),
            flush: Some(self.flush_times.told()),
            discard: Some(self.discard_times.told()),
        }
    }
}
