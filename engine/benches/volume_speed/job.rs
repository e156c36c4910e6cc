//! The patterns of requests.

/// What a job is about: it decides the figure of its table and who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measures {
    /// Small requests: requests a second; the ladder takes part.
    Requests,
    /// Small requests at a depth that block devices are compared at.
    BlockDevices,
    /// Large requests: bytes a second.
    Throughput,
    /// Every write is followed by a flush: pairs a second.
    Flushes,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// In the words of people.
    pub(crate) title: &'static str,
    /// fio's `rw`.
    pub(crate) pattern: &'static str,
    pub(crate) block_kib: u32,
    pub(crate) depth: u32,
    pub(crate) measures: Measures,
}

pub(crate) const ALL: [Job; 11] = [
    job("rr4k-q1", "4 KiB random read, depth 1", "randread", 4, 1, Measures::Requests),
    job("rw4k-q1", "4 KiB random write, depth 1", "randwrite", 4, 1, Measures::Requests),
    job("rr4k-q32", "4 KiB random read, depth 32", "randread", 4, 32, Measures::Requests),
    job("rw4k-q32", "4 KiB random write, depth 32", "randwrite", 4, 32, Measures::Requests),
    job("rr4k-q16", "4 KiB random read, depth 16, block devices", "randread", 4, 16, Measures::BlockDevices),
    job("rw4k-q16", "4 KiB random write, depth 16, block devices", "randwrite", 4, 16, Measures::BlockDevices),
    job("sr128k-q8", "128 KiB sequential read, depth 8", "read", 128, 8, Measures::Throughput),
    job("sw128k-q8", "128 KiB sequential write, depth 8", "write", 128, 8, Measures::Throughput),
    job("sr1m-q4", "1 MiB sequential read, depth 4", "read", 1024, 4, Measures::Throughput),
    job("sw1m-q4", "1 MiB sequential write, depth 4", "write", 1024, 4, Measures::Throughput),
    job("rw4k-q1-sync", "4 KiB random write and a flush, depth 1", "randwrite", 4, 1, Measures::Flushes),
];

const fn job(
    name: &'static str,
    title: &'static str,
    pattern: &'static str,
    block_kib: u32,
    depth: u32,
    measures: Measures,
) -> Job {
    Job { name, title, pattern, block_kib, depth, measures }
}

pub(crate) fn named(name: &str) -> &'static Job {
    ALL.iter().find(|job| job.name == name).expect("a job of the table")
}
