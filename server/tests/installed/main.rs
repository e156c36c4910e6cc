//! Whole installations: the manager runs inside the test, instance managers, engines and replicas are the real binary. Needs
//! `aurochs-engine` beside the test's target directory (`cargo build -p aurochs-engine`) and qemu-io and mke2fs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says with a panic what is wrong, and what it measured"
)]

mod backups;
mod files;
mod first_disk;
mod idle;
mod installation;
mod jobs;
mod life;
mod mounted;
mod nbd;
mod nodes;
mod placing;
mod recurring;
#[path = "../../../engine/tests/s3_server/mod.rs"]
mod s3_server;
mod samples;
mod snapshots;
mod system;
mod whatif;
