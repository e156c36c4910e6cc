//! Which member answers a read.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::membership::{Mode, View};
use crate::link::ReplicaLink;

/// Members that may be read, best first: the one with the fewest requests in flight, ties in turn, so that idle
/// volumes spread their reads and a slow replica gets fewer.
pub(crate) fn in_order(view: &View, turn: &AtomicUsize) -> Vec<ReplicaLink> {
    let mut links: Vec<ReplicaLink> =
        view.members.iter().filter(|member| member.mode == Mode::ReadWrite).map(|member| member.link.clone()).collect();
    if links.len() > 1 {
        let first = turn.fetch_add(1, Ordering::Relaxed) % links.len();
        links.rotate_left(first);
        links.sort_by_key(ReplicaLink::in_flight);
    }
    links
}
