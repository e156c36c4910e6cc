//! Targets of backups, over real servers: what a store does, what it says when it can't, and that it gets over what
//! passes.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod azure;
mod contract;
mod faults;
mod mounts;
mod proxy;
mod refusals;
#[path = "../s3_server/mod.rs"]
mod s3_server;

use std::time::Duration;

use aurochs_engine::backup::{Credentials, ErrorKind, Settings, StoreError, Target};
use s3_server::SECRET_KEY;

/// As little patience as a busy machine allows, so that a test of silence ends soon.
fn impatient() -> Settings {
    Settings { retries: 1, patience: Duration::from_secs(2), ..Settings::default() }
}

fn target(url: &str, credentials: impl IntoIterator<Item = (String, String)>) -> Target {
    Target { url: url.parse().unwrap(), credentials: Credentials::new(credentials) }
}

/// An error of this kind, with a next step, and without the secret key.
#[track_caller]
fn is_explained(error: &StoreError, kind: ErrorKind, word: &str) {
    let shown = format!("{error} {error:?}");
    assert_eq!(error.kind(), kind, "{shown}");
    assert!(shown.contains(word), "no {word:?} in: {shown}");
    assert!(!error.next_step().is_empty());
    assert!(!shown.contains(SECRET_KEY) && !shown.contains("Signature="), "{shown}");
}
