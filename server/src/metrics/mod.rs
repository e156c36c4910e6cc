//! Metrics for Prometheus: Longhorn's names and labels, so that dashboards and alerts made for it go on working, and what is
//! ours beside them. `docs/metrics.md` lists them, with those that are left out and why.
//!
//! 1. while things happen, numbers are kept in memory: [`io`] and [`io_latency`] (what engines tell), [`work`] (what controllers do),
//!    [`requests`] (what the API answers), [`jobs`] (how work ended), each bounded by what there is to count;
//! 2. a scrape asks [`collect`] for a [`page`]: resources from the store, the kept numbers, and the machine's own
//!    ([`machine`]). It waits for no process.
//!
//! The numbers are the process's: one manager is one process, and tests that start several share them.

pub mod collect;
mod histogram;
mod io;
pub mod io_latency;
pub mod jobs;
mod machine;
mod page;
pub mod requests;
#[cfg(test)]
mod tests;
pub mod work;

use aurochs_engine::grpc::engine_v1::EngineStatus;

/// The engine told its state: the one with this uid, since another one may have its name, later or for another manager of this
/// process.
pub fn engine_told(engine: &str, status: &EngineStatus) {
    io::told(engine, status.io.as_ref());
    io_latency::told(engine, status.io_latencies.as_ref());
}

/// Nobody listens to the engine any more.
pub fn forget_engine(engine: &str) {
    io::forget(engine);
    io_latency::forget(engine);
}
