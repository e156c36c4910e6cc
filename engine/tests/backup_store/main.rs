//! Backup stores: those that Longhorn made, restored to the byte; ours, in Longhorn's form to the byte; and what locks,
//! deletions, damage and crashes do to them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod archive;
mod commands;
mod crashes;
mod deletions;
mod golden;
#[path = "../golden_archive/mod.rs"]
mod golden_archive;
mod lists;
mod locks;
mod ours;
mod restores;
#[path = "../scratch/mod.rs"]
mod scratch;
mod volume;

use std::time::Duration;

use aurochs_engine::backup::LockTimes;

/// Locks that are had at once and die soon.
const QUICK: LockTimes =
    LockTimes { wait: Duration::from_millis(20), renew: Duration::from_millis(200), lifetime: Duration::from_secs(30) };
