//! Backups of running volumes and restores into them: under writes, in series, with replicas, targets and engines that
//! fail in the middle.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod content;
mod faults;
mod golden;
#[path = "../golden_archive/mod.rs"]
mod golden_archive;
mod kills;
#[path = "../parties/mod.rs"]
mod parties;
mod refusals;
mod series;
