//! A replica that was a member comes back: it gets what it missed, and keeps the rest (SAFETY.md, "Joining").
//!
//! **What it lacks.** Say that it and a member differ in a region. Either the member changed it since the replica left, or one of
//! them had a change before that the other had not, or lost again. Then it is dirty in the replica's own log, or it was dirty in
//! the member's when the replica left: both are in what is copied. That holds if
//! - the member has taken down what the replica misses, **since the replica was a member for the last time**: it was told no
//!   generation as late as that in which it left. One such member is enough, for all members are equal;
//! - **the head is the same one still** on the member (it forgets what is missed with its head), and both have the same live
//!   snapshots: what is seen from those never changes;
//! - **the replica's own log can be trusted**, and it has all its images.
//!
//! Where any of this is not so, the replica is rebuilt in full; that is decided before anything of it is given up. Everything is
//! looked at under the barrier under which it joins, with nothing in flight.
//!
//! **Copying.** Requests that come meanwhile go to it too. A piece is read from a member and written to the replica in one turn,
//! so that no write comes in between. Of the regions, only what the head of either holds is copied (`held`).
//!
//! A snapshot or an expansion meanwhile ends it: the replica refuses, is dropped, and is rebuilt in full.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::held::{Held, Piece};
use super::pace::{self, Pace};
use super::state::Progress;
use super::{OperationError, ReplicaLink, ask_to_begin, barrier, failed, source};
use crate::crash_point;
use crate::disk::zeros::is_zero;
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::link::client::Request;
use crate::link::control::{ControlReply, ControlRequest};
use crate::link::frame::Kind;
use crate::replica::{DirtyRegions, MissedRegions};
use crate::rule;
use crate::volume::ordering::Access;
use crate::volume::{Shared, fan_out, start, watchdog};

/// Pieces on their way at once; the pace bounds their bytes.
const PIECES: usize = 8;

/// Bytes of the volume.
pub(super) type Ranges = Vec<Range<u64>>;

/// Lets a replica join that lacks no more than what can be told, and returns that; `None` where it has to be rebuilt in full:
/// then nothing has changed but that it is recorded as joining.
pub(super) async fn join(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    progress: &Progress,
) -> Result<Option<Ranges>, OperationError> {
    if rule::is_left_out(rule::MISSED_FIRST) {
        take_down_only_now(shared, link).await;
    }
    // Most that cannot be brought up to date are found here, without holding anybody up.
    if let Err(why) = lacks(shared, link).await {
        tracing::info!(replica = link.name(), why, "it is rebuilt in full");
        return Ok(None);
    }
    let _everything = barrier(shared, progress).await?;
    shared.refuse_while_filling("add a replica")?;
    let lacks = match lacks(shared, link).await {
        Ok(lacks) => lacks,
        Err(why) => {
            tracing::info!(replica = link.name(), why, "it is rebuilt in full after all");
            return Ok(None);
        }
    };
    let Some(ranges) = lacks.ranges() else { return Ok(None) };
    match ask_to_begin(link, &ControlRequest::CatchUpBegin { lacks }, progress).await {
        Ok(()) => {}
        Err(error) if link.lost_cause().is_some() || progress.check().is_err() => return Err(error),
        Err(error) => {
            tracing::warn!(replica = link.name(), %error, "it is rebuilt in full");
            return Ok(None);
        }
    }
    crash_point::reached("join.caught-up-begun");
    shared.membership.add_joiner(link).map_err(failed)?;
    watchdog::watch_link(shared, link);
    let size = shared.size();
    let clipped = ranges.into_iter().map(|range| range.start..range.end.min(size));
    Ok(Some(clipped.filter(|range| range.start < range.end).collect()))
}

/// What the replica lacks at most, or why nobody can tell.
async fn lacks(shared: &Shared, link: &ReplicaLink) -> Result<DirtyRegions, &'static str> {
    let welcome = link.welcome();
    if welcome.generation == 0 {
        return Err("it was never a member");
    }
    if welcome.remote.is_some() || shared.lazy.is_active() {
        return Err("a backup is being restored into the volume");
    }
    let source = source(shared).map_err(|_| "no member can be asked")?;
    let has = start::ask_layers(link).await.map_err(|_| "it does not tell its layers")?;
    let wanted = start::ask_layers(&source).await.map_err(|_| "no member tells its layers")?;
    if !start::agree(&has, &wanted) || has.iter().any(|layer| layer.image_missing) {
        return Err("its snapshots, or its size, are not those of the members");
    }
    let own = match link.control(&ControlRequest::DirtyRegions).await {
        Ok(ControlReply::DirtyRegions(Some(own))) => own,
        _ => return Err("its log of dirty regions is not there, or cannot be trusted"),
    };
    let missed = missed(shared, link.name(), welcome.generation).await?;
    if rule::is_left_out(rule::OWN_DIRTY_COUNTS) {
        return Ok(missed);
    }
    missed.union(&own).ok_or("its log is of another size")
}

/// What the members say that it misses since it was a member for the last time, all together.
async fn missed(shared: &Shared, replica: &str, told: u64) -> Result<DirtyRegions, &'static str> {
    let mut all: Option<DirtyRegions> = None;
    let view = shared.membership.view();
    for member in view.readable() {
        let asked = ControlRequest::MissedRegions { replica: replica.to_owned() };
        let Ok(ControlReply::MissedRegions(Some(MissedRegions { since, regions }))) = member.link.control(&asked).await
        else {
            continue;
        };
        if told >= since && !rule::is_left_out(rule::LAST_ABSENCE_COUNTS) {
            continue;
        }
        all = Some(match all {
            None => regions,
            Some(others) => others.union(&regions).ok_or("the members' logs are of different sizes")?,
        });
    }
    all.ok_or("no member has taken down what it misses")
}

/// What must not be: everything that was cleared meanwhile is forgotten.
async fn take_down_only_now(shared: &Shared, link: &ReplicaLink) {
    let view = shared.membership.view();
    let since = view.record.generation.0;
    for member in view.readable() {
        let request = ControlRequest::BeginToMiss { replica: link.name().to_owned(), since };
        drop(member.link.control(&request).await);
    }
}

/// Copies to the joiner what it lacks in these ranges.
pub(super) async fn copy(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    ranges: &[Range<u64>],
    progress: &Progress,
) -> Result<(), OperationError> {
    let source = source(shared)?;
    let mut held = Held::within(ranges);
    for replica in [&source, link] {
        held.look_at(replica).await.map_err(|error| OperationError::Failed(error.to_string()))?;
    }
    let pieces = held.pieces();
    progress.source_gives(source.name(), "");
    progress.plan(pieces.iter().map(Piece::bytes).sum());
    shared.changed.tell();
    let pace = shared.rebuilds.pace();
    let mut copies = stream::iter(pieces)
        .map(|piece| async move {
            copy_piece(shared, pace, link, &piece).await?;
            Ok::<u64, OperationError>(piece.bytes())
        })
        .buffer_unordered(PIECES);
    let all = async {
        while let Some(copied) = copies.next().await {
            progress.copied(source.name(), copied?);
            shared.changed.tell();
            crash_point::reached("join.region-copied");
        }
        Ok(())
    };
    tokio::select! {
        copied = all => copied,
        never = pace::follow(pace, shared) => match never {},
    }
}

async fn copy_piece(
    shared: &Arc<Shared>,
    pace: &Pace,
    link: &ReplicaLink,
    piece: &Piece,
) -> Result<(), OperationError> {
    let (start, length) = piece.span();
    // At most a MiB.
    let _admitted = pace.admit(piece.bytes() as u32).await;
    let _turn = shared.ordering.turn(start, length, Access::Write).await;
    let data = fan_out::read_ordered(shared, start, length as u32).await.map_err(failed)?;
    for part in &piece.parts {
        let inside = (part.start - start) as usize..(part.end - start) as usize;
        for (run, is_zero) in runs(&data[inside.clone()]) {
            let at = part.start + run.start as u64;
            let kind = if is_zero { Kind::WriteZeroes } else { Kind::Write };
            let mut request = Request::new(kind, at, run.len() as u32);
            if is_zero {
                request.may_unmap = true;
            } else {
                request.payload = AlignedBuf::copy_of(&data[inside.start + run.start..inside.start + run.end]).into();
            }
            link.request(request).await.map_err(|error| OperationError::Failed(error.to_string()))?;
        }
    }
    Ok(())
}

/// Runs of blocks that hold nothing but zeros, and of others.
fn runs(data: &[u8]) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for (block, at) in data.chunks(BLOCK_SIZE as usize).zip((0..).step_by(BLOCK_SIZE as usize)) {
        let is_zero = is_zero(block);
        match runs.last_mut() {
            Some((run, zero)) if *zero == is_zero => run.end = at + block.len(),
            _ => runs.push((at..at + block.len(), is_zero)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_zeros_are_told_apart() {
        let mut data = vec![0; 5 * 4096];
        data[4096] = 1;
        data[3 * 4096 - 1] = 1;
        assert_eq!(runs(&data), [(0..4096, true), (4096..3 * 4096, false), (3 * 4096..5 * 4096, true)]);
        assert_eq!(runs(&[]), []);
    }
}
