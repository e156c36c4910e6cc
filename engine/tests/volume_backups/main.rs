//! Backups of running volumes and restores into them: under writes, in series, with replicas, targets and engines that
//! fail in the middle.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod content;
mod faults;
mod golden;
#[path = "../golden_archive/mod.rs"]
mod golden_archive;
mod kills;
#[path = "../node/mod.rs"]
mod node;
#[path = "../parties/mod.rs"]
mod parties;
mod process;
mod refusals;
#[path = "../s3_server/mod.rs"]
mod s3_server;
mod series;
