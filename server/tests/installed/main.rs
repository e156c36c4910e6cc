//! Whole installations: the manager runs inside the test, instance managers, engines and replicas are the real binary. Needs
//! `aurochs-engine` beside the test's target directory (`cargo build -p aurochs-engine`) and qemu-io.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says with a panic what is wrong, and what it measured"
)]

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
mod samples;
mod snapshots;
mod whatif;
