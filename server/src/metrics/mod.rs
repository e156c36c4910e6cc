//! Metrics for Prometheus: Longhorn's names and labels, so that dashboards and alerts made for it go on working, and what is
//! ours beside them. `docs/metrics.md` lists them, with those that are left out and why.
//!
//! 1. while things happen, numbers are kept in memory: [`io`] (what engines tell), [`work`] (what controllers do),
//!    [`requests`] (what the API answers), each bounded by what there is to count;
//! 2. a scrape asks [`collect`] for a [`page`]: resources from the store, the kept numbers, and the machine's own
//!    ([`machine`]). It waits for no process.
//!
//! The numbers are the process's: one manager is one process, and tests that start several share them.

pub mod collect;
mod histogram;
mod io;
mod machine;
mod page;
pub mod requests;
#[cfg(test)]
mod tests;
pub mod work;

pub use io::{forget as forget_engine, told as engine_told};
