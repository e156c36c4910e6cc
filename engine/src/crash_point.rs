//! Named places in the middle of operations at which a test can end the process.
//!
//! A crash between two steps is the rule that every operation has to survive, so each step that changes a file (or
//! tells another process) and is followed by another has a name here. Tests start a process with
//! `AUROCHS_CRASH_AT=<name>` (or `<name>:<n>`: the n-th time it is reached) and it kills itself there, with all its
//! threads, as `kill -9` would. A release build has neither the look-up nor the variable.

/// Every name, so that a test can go through all of them and notice one that nothing reaches.
pub const ALL: &[&str] = &[
    "remove.marked",
    "purge.leaf-image-gone",
    "purge.leaf-gone",
    "purge.grown",
    "purge.copied",
    "purge.synced",
    "purge.linked",
    "purge.replaced",
    "purge.parent-written",
    "purge.merged",
    "purge.pruned",
];

/// Variable that names the place to end at.
pub const CRASH_AT: &str = "AUROCHS_CRASH_AT";

/// Ends the process if this is the place that it was told to end at.
#[cfg(debug_assertions)]
pub fn reached(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static TARGET: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);

    debug_assert!(ALL.contains(&point), "crash point {point} is not in the list");
    let target = TARGET.get_or_init(|| std::env::var(CRASH_AT).ok().map(|text| parse(&text)));
    if let Some((name, nth)) = target
        && name == point
        && TIMES.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_: &'static str) {}

/// `name` or `name:n`; the first time where no number is given.
#[cfg(debug_assertions)]
fn parse(text: &str) -> (String, u64) {
    match text.split_once(':') {
        Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
        None => (text.to_owned(), 1),
    }
}
