//! The life of a volume on real processes: the manager runs inside the test, instance managers, engines and replicas
//! are the real binary. Needs `aurochs-engine` beside the test's target directory (`cargo build -p aurochs-engine`).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says with a panic what is wrong")]

mod clone;
mod expansion;
mod harness;
mod nbd;
mod salvage;
mod tickets;
mod whole_life;
