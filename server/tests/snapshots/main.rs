//! Snapshots as resources, on real processes: taken while detached, deleted and purged, hashed, trimmed, and each of that
//! with managers that end in between. Needs `aurochs-engine` beside the test's target directory (`cargo build -p
//! aurochs-engine`) and qemu-io.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says with a panic what is wrong")]

mod installation;
mod integrity;
mod purging;
mod resources;
mod space;
