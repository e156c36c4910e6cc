//! In test builds only: the process dies at its n-th change of the store, as a power cut would end it. The environment
//! says where: `AUROCHS_CRASH=before:7` dies with the seventh change made and not committed, so that whatever was told
//! to processes outside is told and not remembered; `after:7` with it committed and announced to nobody.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, raise};

const VARIABLE: &str = "AUROCHS_CRASH";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Before(u64),
    After(u64),
}

static POINT: LazyLock<Option<Point>> = LazyLock::new(|| std::env::var(VARIABLE).ok().and_then(|text| parse(&text)));
static CHANGES: AtomicU64 = AtomicU64::new(0);

fn parse(text: &str) -> Option<Point> {
    let (word, number) = text.split_once(':')?;
    let number = number.parse().ok()?;
    match word {
        "before" => Some(Point::Before(number)),
        "after" => Some(Point::After(number)),
        _ => None,
    }
}

/// A change is about to be committed.
pub(super) fn before_commit() {
    if POINT.is_some() && *POINT == Some(Point::Before(CHANGES.fetch_add(1, Ordering::SeqCst) + 1)) {
        die();
    }
}

/// It is committed. There is one writer, so that the count is still its own.
pub(super) fn after_commit() {
    if POINT.is_some() && *POINT == Some(Point::After(CHANGES.load(Ordering::SeqCst))) {
        die();
    }
}

/// Without a last word to anybody: no destructor runs, no buffer is written.
fn die() {
    let _ = raise(Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_die_is_read_from_a_text() {
        assert_eq!(parse("before:7"), Some(Point::Before(7)));
        assert_eq!(parse("after:12"), Some(Point::After(12)));
        assert_eq!((parse(""), parse("after:x"), parse("between:1")), (None, None, None));
    }
}
