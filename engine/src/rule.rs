//! Rules that a test leaves out, to see that it would notice.
//!
//! A rule that nothing misses is not tested. A process that is started with `AUROCHS_LEAVE_OUT=<name>` goes on without that
//! one. A release build has neither the look-up nor the variable.

/// Every rule that can be left out.
pub const ALL: &[&str] = &[
    REGIONS_ARE_MARKED,
    ROUNDS_WAIT,
    MISSED_FIRST,
    OWN_DIRTY_COUNTS,
    LAST_ABSENCE_COUNTS,
    REBUILD_FORGETS,
    READS_ARE_CHECKED,
    DIRTY_IS_NOT_KNOWN,
    SUMS_BEFORE_CLEAN,
];

/// A region is dirty in the log before it changes (`replica::regions`).
pub const REGIONS_ARE_MARKED: &str = "regions-are-marked";
/// A round of clearing waits for the requests that were in flight (`volume::region_rounds`).
pub const ROUNDS_WAIT: &str = "rounds-wait";
/// Who stays takes down what an absent replica misses before anything is cleared or acknowledged (`volume::absent`).
pub const MISSED_FIRST: &str = "missed-first";
/// A replica that comes back gets what it may have had alone, too (`rebuild::catch_up`).
pub const OWN_DIRTY_COUNTS: &str = "own-dirty-counts";
/// Only what was taken down since the replica was a member for the last time counts (`rebuild::catch_up`).
pub const LAST_ABSENCE_COUNTS: &str = "last-absence-counts";
/// A replica that is rebuilt in full has no log that can be trusted (`replica::rebuild`).
pub const REBUILD_FORGETS: &str = "rebuild-forgets";
/// What is read from a disk is checked against what was written (`disk::sums`).
pub const READS_ARE_CHECKED: &str = "reads-are-checked";
/// An open forgets the checksums of what the log says is dirty (`replica::sums`).
pub const DIRTY_IS_NOT_KNOWN: &str = "dirty-is-not-known";
/// Checksums are durable before a region becomes clean (`replica::sums`).
pub const SUMS_BEFORE_CLEAN: &str = "sums-before-clean";

/// Variable that names the rule.
pub const LEAVE_OUT: &str = "AUROCHS_LEAVE_OUT";

/// Whether this process goes on without it.
#[cfg(debug_assertions)]
pub(crate) fn is_left_out(rule: &'static str) -> bool {
    static LEFT_OUT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    LEFT_OUT.get_or_init(|| std::env::var(LEAVE_OUT).ok()).as_deref() == Some(rule)
}

/// Never in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) const fn is_left_out(_: &'static str) -> bool {
    false
}
