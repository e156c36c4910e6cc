//! Which member answers a read.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::membership::View;
use crate::link::ReplicaLink;

/// Bytes up to which a read counts as small.
const SMALL: u32 = 64 << 10;
/// Small reads in a row for one member: those that come together share system calls and wake one process.
const RUN: usize = 16;
/// How many more requests than the least busy member one may have in flight and still get its run.
const SLACK: usize = 16;

/// The members that may be read, and whose turn it is.
pub(crate) fn best<'a>(view: &'a View, turn: &AtomicUsize, length: u32) -> Option<&'a ReplicaLink> {
    let readable = || readable(view);
    let count = readable().count();
    if count < 2 {
        return readable().next();
    }
    let reads = turn.fetch_add(1, Ordering::Relaxed);
    let first = if length <= SMALL { reads / RUN } else { reads } % count;
    // From the one whose turn it is, so that of equally busy ones each gets its share.
    let in_turn = readable().chain(readable()).skip(first).take(count);
    let least_busy = in_turn.min_by_key(|link| link.in_flight())?;
    let preferred = readable().nth(first).filter(|_| length <= SMALL);
    preferred.filter(|link| link.in_flight() <= least_busy.in_flight() + SLACK).or(Some(least_busy))
}

/// Members that may be read, best first: the one with the fewest requests in flight, ties in turn.
pub(crate) fn in_order(view: &View, turn: &AtomicUsize) -> Vec<ReplicaLink> {
    let mut links: Vec<ReplicaLink> = readable(view).cloned().collect();
    if links.len() > 1 {
        let first = turn.fetch_add(1, Ordering::Relaxed) % links.len();
        links.rotate_left(first);
        links.sort_by_key(ReplicaLink::in_flight);
    }
    links
}

/// All other members that may be read.
pub(crate) fn others<'a>(view: &'a View, failed: &'a ReplicaLink) -> impl Iterator<Item = &'a ReplicaLink> {
    readable(view).filter(|link| !link.is_same(failed))
}

fn readable(view: &View) -> impl Iterator<Item = &ReplicaLink> {
    view.readable().map(|member| &member.link)
}
