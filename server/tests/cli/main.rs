//! The command line against a real installation: `aurochs serve` with its engines, and `aurochs …` as a person or a script
//! starts it. Needs `aurochs-engine` beside the test's target directory (`cargo build -p aurochs-engine`).

#![expect(clippy::unwrap_used, reason = "a test says with a panic what is wrong")]

mod backing_images;
mod backups;
mod failures;
mod files;
mod history;
mod machines;
mod mails;
#[path = "../installed/nbd.rs"]
#[expect(dead_code, reason = "here it only writes")]
mod nbd;
mod output;
mod questions;
mod settings;
mod snapshots;
mod system_backups;
mod unheard;
mod volumes;
mod walk;
mod world;
