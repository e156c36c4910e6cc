//! Blocks that a member's disk has changed, put right with what another member has.
//!
//! A member that finds such a block while it reads says so ([`RemoteErrorKind::Damaged`]). Whoever asked gets the bytes from
//! another member, and here the block is repaired afterwards: the same bytes go to the member that lost them, which takes them
//! only if they are what was written there (`replica::repair`). It stays a member: what it has otherwise is right. One that
//! cannot be written to is dropped, as after any other failure of its disk.
//!
//! Invariant: no write of a block is let in while it is repaired: the repair would put the older content on top of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::barrier::now;
use super::membership::View;
use super::ordering::Access;
use super::{Shared, read_choice};
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::grpc::engine_v1::ChecksumStatus;
use crate::link::ReplicaLink;
use crate::link::client::{LinkError, Request};
use crate::link::control::RemoteErrorKind;
use crate::link::frame::Kind;
use crate::replica::RepairReport;

/// As many repairs wait at most. What is left out is found again by the next read.
const MOST_WAITING: usize = 1024;
/// As many blocks beyond repair are remembered, so that each counts once.
const MOST_REMEMBERED: usize = 4096;
/// One repair reads and sends so much at most.
const PIECE: u64 = 1 << 20;

/// Stands for the head among the names of layers.
pub(crate) const HEAD: &str = "";

/// A range in which a member has found a block that is wrong.
#[derive(Clone)]
struct Wanted {
    link: ReplicaLink,
    /// File name of the layer that it was seen from, or [`HEAD`].
    seen_from: String,
    offset: u64,
    length: u64,
}

#[derive(Default)]
pub(crate) struct Repairs {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Wanted>,
    status: ChecksumStatus,
    /// By member, layer and offset.
    beyond_repair: BTreeSet<(String, String, u64)>,
}

/// Whether it says that a block is not what was written.
pub(crate) fn is_damage(error: &LinkError) -> bool {
    error.remote_kind() == Some(RemoteErrorKind::Damaged)
}

impl Repairs {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Lists and counters: every state of them that a panic may leave is a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The member found a block in this range that is wrong, as seen from this layer.
    pub(crate) fn want(&self, link: &ReplicaLink, seen_from: &str, offset: u64, length: u64) {
        let start = offset / BLOCK_SIZE * BLOCK_SIZE;
        let length = (offset + length).next_multiple_of(BLOCK_SIZE) - start;
        let mut state = self.lock();
        let is_same = |wanted: &Wanted| {
            wanted.link.is_same(link)
                && wanted.seen_from == seen_from
                && (wanted.offset, wanted.length) == (start, length)
        };
        if state.waiting.len() < MOST_WAITING && !state.waiting.iter().any(is_same) {
            let seen_from = seen_from.to_owned();
            state.waiting.push_back(Wanted { link: link.clone(), seen_from, offset: start, length });
            self.wake.notify_one();
        }
    }

    pub(crate) fn status(&self) -> ChecksumStatus {
        self.lock().status.clone()
    }

    fn next(&self) -> Option<Wanted> {
        self.lock().waiting.pop_front()
    }

    fn note(&self, volume: &str, wanted: &Wanted, report: &RepairReport) {
        if report.repaired + report.not_repaired == 0 {
            return;
        }
        let replica = wanted.link.name();
        let mut state = self.lock();
        let beyond = (replica.to_owned(), wanted.seen_from.clone(), wanted.offset);
        if report.repaired > 0 {
            state.beyond_repair.remove(&beyond);
        } else if state.beyond_repair.contains(&beyond) {
            return;
        } else if state.beyond_repair.len() < MOST_REMEMBERED {
            state.beyond_repair.insert(beyond);
        }
        let status = &mut state.status;
        status.found += report.repaired + report.not_repaired;
        status.repaired += report.repaired;
        status.not_repaired += report.not_repaired;
        status.last_replica = replica.to_owned();
        status.last_image.clone_from(&report.image);
        status.last_offset = report.offset;
        status.last_found_at = now();
        let RepairReport { image, offset, .. } = report;
        if report.not_repaired > 0 {
            tracing::error!(
                volume,
                replica,
                image,
                offset,
                blocks = report.not_repaired,
                "the disk of a replica has changed blocks, and no other replica has what was written there: they cannot be \
                 read; write them anew, or restore a backup"
            );
        } else {
            tracing::warn!(
                volume,
                replica,
                image,
                offset,
                blocks = report.repaired,
                "the disk of a replica had changed blocks; they were repaired from another replica"
            );
        }
    }
}

/// Repairs what is wanted until the volume is over.
pub(crate) async fn run(shared: Arc<Shared>) {
    while shared.membership.check_running().is_ok() {
        let Some(wanted) = shared.repairs.next() else {
            shared.repairs.wake.notified().await;
            continue;
        };
        let _turn = match wanted.seen_from.as_str() {
            HEAD => Some(shared.ordering.turn(wanted.offset, wanted.length, Access::Write).await),
            // Nobody writes there.
            _ => None,
        };
        repair(&shared, &wanted).await;
        shared.changed.tell();
    }
}

/// Repairs a range of the head at once; whether anything was. The caller holds a turn for writing that covers it.
pub(crate) async fn repair_ordered(shared: &Shared, link: &ReplicaLink, offset: u64, length: u64) -> bool {
    let wanted = Wanted { link: link.clone(), seen_from: HEAD.to_owned(), offset, length };
    repair(shared, &wanted).await
}

/// The same for a layer below the head, which nobody writes to.
pub(crate) async fn repair_layer(shared: &Shared, link: &ReplicaLink, layer: &str, offset: u64, length: u64) -> bool {
    let wanted = Wanted { link: link.clone(), seen_from: layer.to_owned(), offset, length };
    repair(shared, &wanted).await
}

async fn repair(shared: &Shared, wanted: &Wanted) -> bool {
    let view = shared.membership.view();
    if !view.is_readable(&wanted.link) {
        return false;
    }
    let mut any = false;
    let end = (wanted.offset + wanted.length).min(shared.size());
    let mut left: Vec<(u64, u64)> =
        (wanted.offset..end).step_by(PIECE as usize).map(|at| (at, (end - at).min(PIECE))).collect();
    while let Some((offset, length)) = left.pop() {
        let piece = Wanted { offset, length, ..wanted.clone() };
        match repair_piece(&view, &piece).await {
            Ok(Some(report)) => {
                shared.repairs.note(&shared.name, &piece, &report);
                any |= report.repaired > 0;
            }
            // Another block of it is wrong elsewhere: what is good may still be found block by block.
            Ok(None) if length > BLOCK_SIZE => {
                let half = (length / 2).next_multiple_of(BLOCK_SIZE);
                left.extend([(offset, half), (offset + half, length - half)]);
            }
            Ok(None) => {
                let lost = RepairReport { not_repaired: 1, offset, ..RepairReport::default() };
                if is_still_wrong(&piece).await {
                    shared.repairs.note(&shared.name, &piece, &lost);
                }
            }
            Err(error) => {
                // Its disk takes no writes, or it is gone.
                if error.remote_kind() != Some(RemoteErrorKind::Refused) && !is_damage(&error) {
                    shared.membership.report(&wanted.link, &error);
                    return any;
                }
                tracing::warn!(volume = shared.name, %error, "a block could not be repaired");
            }
        }
    }
    any
}

/// `None` where no other member shows all of the piece.
async fn repair_piece(view: &View, wanted: &Wanted) -> Result<Option<RepairReport>, LinkError> {
    // One that differs, as two may after a crash, leaves it to the next.
    let mut best = None;
    for other in read_choice::others(view, &wanted.link) {
        let Ok(data) = read(other, wanted).await else { continue };
        let request = Request::named(Kind::Repair, &wanted.seen_from, wanted.offset, &data);
        let answer = wanted.link.request(request).await?;
        let report: RepairReport = serde_json::from_slice(&answer).unwrap_or_default();
        if report.not_repaired == 0 {
            return Ok(Some(report));
        }
        best = Some(report);
    }
    Ok(best)
}

/// What a member shows there.
async fn read(link: &ReplicaLink, wanted: &Wanted) -> Result<AlignedBuf, LinkError> {
    // At most a piece.
    let length = wanted.length as u32;
    if wanted.seen_from == HEAD {
        return link.request(Request::new(Kind::Read, wanted.offset, length)).await;
    }
    let snapshot = super::status::snapshot_name(&wanted.seen_from);
    match link.snapshot_read(snapshot, wanted.offset, length).await {
        // It is removed, and may be another one's there; the checksum tells.
        Err(error) if error.remote_kind() == Some(RemoteErrorKind::Refused) => {
            let all = 0..length;
            link.request(Request::layer_read(&wanted.seen_from, wanted.offset, std::slice::from_ref(&all))).await
        }
        read => read,
    }
}

/// Only one of several blocks that were read together may be wrong.
async fn is_still_wrong(wanted: &Wanted) -> bool {
    read(&wanted.link, wanted).await.is_err_and(|error| is_damage(&error))
}
