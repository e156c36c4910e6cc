//! Volumes that are in use while their blocks still come out of a backup (`volume::lazy`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod joining;
mod model;
#[path = "../parties/mod.rs"]
mod parties;
mod source;
mod target;
mod usable;
