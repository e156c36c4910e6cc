//! From one request to all members, and what its answers mean.
//!
//! A write is acknowledged when every recorded member has it. A member that fails it is dropped, and that is recorded,
//! before the acknowledgement leaves. When no member has it, nobody is dropped: the request fails, and the range is
//! made equal before it is read again, since some members may have written a part.

use std::sync::Arc;

use futures::future::join_all;

use super::Shared;
use super::lazy::access::turn_to_replace;
use super::membership::{Mode, View};
use super::ordering::Access;
use super::{read_choice, repair};
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::frontend::{Durability, IoError, IoErrorKind};
use crate::link::ReplicaLink;
use crate::link::client::{LinkError, Request};
use crate::link::control::RemoteErrorKind;
use crate::link::frame::Kind;

/// Longest range of one discard request to a replica: keeps each within the replica's patience.
const DISCARD_MAXIMUM: u64 = 256 << 20;
/// The same for zeros, which a replica may have to write: as much as the largest write of a frontend.
const ZEROES_MAXIMUM: u64 = 32 << 20;

pub(crate) async fn read(shared: &Arc<Shared>, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
    loop {
        shared.membership.check_running()?;
        let turn = shared.ordering.turn(offset, u64::from(length), Access::Read).await;
        if shared.unequal.touches(offset, u64::from(length)) {
            drop(turn);
            make_equal(shared, offset, u64::from(length)).await?;
            continue;
        }
        if shared.lazy.holds_back_read(offset, u64::from(length)) {
            drop(turn);
            shared.lazy.wait_to_read(shared, offset, u64::from(length)).await?;
            continue;
        }
        return read_ordered(shared, offset, length).await;
    }
}

/// Runs to its end even when the reader goes away: a copy that is still on the way to a member after its turn was given
/// up would overwrite what is written next.
pub(super) async fn make_equal(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<(), IoError> {
    let shared = Arc::clone(shared);
    let work = tokio::spawn(async move { super::reconcile::make_equal(&shared, offset, length).await });
    work.await.unwrap_or_else(|error| Err(IoError::new(IoErrorKind::Io, format!("ended unexpectedly: {error}"))))
}

/// The caller holds a turn that covers the range.
pub(crate) async fn read_ordered(shared: &Shared, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
    match read_from_any(shared, offset, length).await {
        // Each member may have another one that is wrong.
        Err(Unread::Damaged(_)) if touches_several_blocks(offset, length) => {
            let mut data = AlignedBuf::for_filling(length as usize);
            for (at, length) in pieces(offset, u64::from(length), BLOCK_SIZE) {
                let block = read_from_any(shared, at, length).await.map_err(Unread::into_inner)?;
                let place = (at - offset) as usize;
                data[place..place + length as usize].copy_from_slice(&block);
            }
            Ok(data)
        }
        read => read.map_err(Unread::into_inner),
    }
}

/// Why no member could read.
enum Unread {
    /// Each has a block in the range that its disk has changed, as far as it is there at all.
    Damaged(IoError),
    Otherwise(IoError),
}

impl Unread {
    fn into_inner(self) -> IoError {
        match self {
            Self::Damaged(error) | Self::Otherwise(error) => error,
        }
    }
}

impl From<IoError> for Unread {
    fn from(error: IoError) -> Self {
        Self::Otherwise(error)
    }
}

fn touches_several_blocks(offset: u64, length: u32) -> bool {
    length > 0 && offset / BLOCK_SIZE != (offset + u64::from(length) - 1) / BLOCK_SIZE
}

async fn read_from_any(shared: &Shared, offset: u64, length: u32) -> Result<AlignedBuf, Unread> {
    let view = shared.membership.view();
    let Some(first) = read_choice::best(&view, &shared.membership.read_turn, length) else {
        shared.membership.check_running()?;
        return Err(no_replica().into());
    };
    let mut failures: Vec<(ReplicaLink, LinkError)> = Vec::new();
    for link in std::iter::once(first).chain(read_choice::others(&view, first)) {
        match link.request(Request::new(Kind::Read, offset, length)).await {
            Ok(data) => {
                for (failed, error) in failures {
                    if repair::is_damage(&error) {
                        shared.repairs.want(&failed, repair::HEAD, offset, u64::from(length));
                    } else {
                        shared.membership.report(&failed, &error);
                    }
                }
                shared.membership.check_running()?;
                return Ok(data);
            }
            Err(error) => failures.push((link.clone(), error)),
        }
    }
    // Nobody could: members whose link is gone are reported, a medium error alone takes nobody out.
    for (link, error) in &failures {
        match error.remote_kind() {
            Some(RemoteErrorKind::Failed) => {}
            Some(RemoteErrorKind::Damaged) => shared.repairs.want(link, repair::HEAD, offset, u64::from(length)),
            _ => shared.membership.report(link, error),
        }
    }
    shared.membership.check_running()?;
    match failures.iter().find(|(_, error)| repair::is_damage(error)) {
        Some((_, error)) => Err(Unread::Damaged(io_error(error))),
        None => Err(failures.first().map_or_else(no_replica, |(_, error)| io_error(error)).into()),
    }
}

pub(crate) async fn write(
    shared: &Arc<Shared>,
    offset: u64,
    data: AlignedBuf,
    durability: Durability,
) -> Result<(), IoError> {
    shared.membership.check_running()?;
    let turn = turn_to_replace(shared, offset, data.len() as u64).await?;
    write_ordered(shared, offset, data, durability).await?;
    turn.done(shared).await
}

/// The caller holds a turn for writing that covers the range.
pub(super) async fn write_ordered(
    shared: &Shared,
    offset: u64,
    data: AlignedBuf,
    durability: Durability,
) -> Result<(), IoError> {
    let view = shared.membership.view();
    let (offset, data) = if view.joiner().is_some() { widened(shared, offset, data).await? } else { (offset, data) };
    // Payloads are bounded by the frontends, far below 4 GiB.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut request = Request::new(Kind::Write, offset, length);
    request.stable = durability == Durability::Stable;
    request.payload = data.into();
    to_all(shared, &view, &request).await
}

/// Zeros over whole blocks. The caller holds a turn for writing that covers the range.
pub(super) async fn zero_ordered(shared: &Shared, offset: u64, length: usize) -> Result<(), IoError> {
    // A part of a block of a backup, far below 4 GiB.
    let mut request = Request::new(Kind::WriteZeroes, offset, u32::try_from(length).unwrap_or(u32::MAX));
    request.may_unmap = true;
    to_all(shared, &shared.membership.view(), &request).await
}

pub(crate) async fn write_zeroes(
    shared: &Arc<Shared>,
    offset: u64,
    length: u64,
    may_unmap: bool,
    durability: Durability,
) -> Result<(), IoError> {
    // The kernel's loop driver asks for zeros where its user discards. What a trim has marked is punched first, and little
    // is left that zeros would have to hide. Zeros mark nothing themselves: file systems write them all the time, as when
    // ext4 fills its tables after it was mounted, and nobody's snapshots may go by that.
    if may_unmap && shared.unmap_chain.is_on() {
        punch(shared, offset, length).await?;
    }
    for (offset, length) in pieces(offset, length, ZEROES_MAXIMUM) {
        shared.membership.check_running()?;
        let turn = turn_to_replace(shared, offset, u64::from(length)).await?;
        let view = shared.membership.view();
        // A joiner lacks the data around unaligned edges; whole blocks of zeros with merged edges go the way of a write.
        let aligned = offset.is_multiple_of(BLOCK_SIZE) && u64::from(length).is_multiple_of(BLOCK_SIZE);
        if view.joiner().is_some() && !aligned {
            drop(turn);
            write_zeroes_as_data(shared, offset, length, durability).await?;
            continue;
        }
        let mut request = Request::new(Kind::WriteZeroes, offset, length);
        request.may_unmap = may_unmap;
        request.stable = durability == Durability::Stable;
        to_all(shared, &view, &request).await?;
        turn.done(shared).await?;
    }
    Ok(())
}

/// Zeros as ordinary writes of at most a MiB.
async fn write_zeroes_as_data(
    shared: &Arc<Shared>,
    offset: u64,
    length: u32,
    durability: Durability,
) -> Result<(), IoError> {
    const PIECE: u32 = 1 << 20;
    let mut done = 0;
    while done < length {
        let piece = PIECE.min(length - done);
        write(shared, offset + u64::from(done), AlignedBuf::zeroed(piece as usize), durability).await?;
        done += piece;
    }
    Ok(())
}

pub(crate) async fn discard(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<(), IoError> {
    shared.membership.check_running()?;
    super::unmap_chain::mark_for_discard(shared).await;
    punch(shared, offset, length).await
}

/// Gives back what the head and the removed layers directly below it hold. While a replica joins, it changes nothing: a
/// copy that is on its way could put back into a removed layer of the joiner what the members have punched out of theirs.
async fn punch(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<(), IoError> {
    for (offset, length) in pieces(offset, length, DISCARD_MAXIMUM) {
        shared.membership.check_running()?;
        let turn = turn_to_replace(shared, offset, u64::from(length)).await?;
        let view = shared.membership.view();
        if view.joiner().is_none() {
            to_all(shared, &view, &Request::new(Kind::Discard, offset, length)).await?;
            turn.done(shared).await?;
        }
    }
    Ok(())
}

/// Syncs every member. Needs no turn: it speaks for the writes acknowledged before it came.
pub(crate) async fn flush(shared: &Shared) -> Result<(), IoError> {
    shared.membership.check_running()?;
    let view = shared.membership.view();
    to_all(shared, &view, &Request::new(Kind::Flush, 0, 0)).await
}

/// Cuts a range into pieces of at most `most` bytes, at multiples of it.
fn pieces(offset: u64, length: u64, most: u64) -> impl Iterator<Item = (u64, u32)> {
    let end = offset + length;
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let next = (at / most + 1).saturating_mul(most).min(end);
        let piece = (at, u32::try_from(next - at).unwrap_or(u32::MAX));
        at = next;
        Some(piece)
    })
}

/// Sends to every member of `view` and waits for all; the acknowledgement rule is here.
async fn to_all(shared: &Shared, view: &View, request: &Request) -> Result<(), IoError> {
    let asked = view.members.iter().map(|member| member.link.request(request.clone()));
    let answers = join_all(asked).await;
    let mut failures = Vec::new();
    let mut readable_successes = 0;
    for (member, answer) in view.members.iter().zip(answers) {
        match answer {
            Ok(_) => readable_successes += usize::from(member.mode == Mode::ReadWrite),
            Err(error) => failures.push((member, error)),
        }
    }
    if failures.is_empty() {
        return shared.membership.settled().await;
    }
    if readable_successes == 0 {
        return nobody_has_it(shared, request, &failures);
    }
    give_whole_blocks(shared, view, request, &mut failures).await;
    if failures.is_empty() {
        return shared.membership.settled().await;
    }
    for (member, error) in &failures {
        shared.membership.report(&member.link, error);
    }
    shared.changed.tell();
    shared.membership.settled().await?;
    // Those that have it may have been dropped for other reasons meanwhile; then one that lacks it stayed as the last.
    let view = shared.membership.view();
    if failures.iter().any(|(member, _)| view.is_readable(&member.link)) {
        return nobody_has_it(shared, request, &failures);
    }
    Ok(())
}

/// A member that had to read a block for a write of a part of it, and found that its disk has changed it, gets the blocks whole
/// from one that has taken the write: that puts them right, too. The caller's turn covers whole blocks.
async fn give_whole_blocks(
    shared: &Shared,
    view: &View,
    request: &Request,
    failures: &mut Vec<(&super::membership::Member, LinkError)>,
) {
    if !matches!(request.kind, Kind::Write | Kind::WriteZeroes) {
        return;
    }
    let start = request.offset / BLOCK_SIZE * BLOCK_SIZE;
    let end = (request.offset + u64::from(request.length)).next_multiple_of(BLOCK_SIZE).min(shared.size());
    let mut given: Vec<bool> = Vec::new();
    for (member, error) in failures.iter() {
        let has_failed = |link: &ReplicaLink| failures.iter().any(|(failed, _)| failed.link.is_same(link));
        let source = read_choice::others(view, &member.link).find(|link| !has_failed(link));
        let is_given = match source {
            Some(source) if repair::is_damage(error) => {
                // The largest request of a frontend, and two edges.
                let read = source.request(Request::new(Kind::Read, start, (end - start) as u32)).await;
                match read {
                    Ok(data) => {
                        let mut whole = Request::new(Kind::Write, start, data.len() as u32);
                        whole.stable = request.stable;
                        whole.payload = data.into();
                        member.link.request(whole).await.is_ok()
                    }
                    Err(_) => false,
                }
            }
            _ => false,
        };
        if is_given {
            tracing::warn!(volume = shared.name, replica = member.link.name(), offset = request.offset, %error,
                "the disk of a replica had changed a block that was being written; it has the whole block now");
        }
        given.push(is_given);
    }
    let mut given = given.into_iter();
    failures.retain(|_| !given.next().unwrap_or(false));
}

/// No member could do it: those whose link is gone or who are fenced are reported, the rest stay and the range is
/// compared before its next read. A joiner may have done it, and is not compared: it starts over.
fn nobody_has_it(
    shared: &Shared,
    request: &Request,
    failures: &[(&super::membership::Member, LinkError)],
) -> Result<(), IoError> {
    for (member, error) in failures {
        let is_answer = matches!(error, LinkError::Remote { error, .. } if error.kind != RemoteErrorKind::Fenced);
        if !is_answer || member.mode != Mode::ReadWrite {
            shared.membership.report(&member.link, error);
        }
    }
    if request.kind != Kind::Flush {
        shared.unequal.add(request.offset, u64::from(request.length));
        shared
            .membership
            .drop_joiner("a write failed on every replica that has all data; the rebuild has to start over");
    }
    shared.changed.tell();
    shared.membership.check_running()?;
    let worst = failures.iter().find(|(_, error)| error.remote_kind() == Some(RemoteErrorKind::NoSpace));
    Err(worst.or(failures.first()).map_or_else(no_replica, |(_, error)| io_error(error)))
}

/// Widens a write to whole blocks with data from the members: a joiner must never merge with data that it lacks.
async fn widened(shared: &Shared, offset: u64, data: AlignedBuf) -> Result<(u64, AlignedBuf), IoError> {
    let end = offset + data.len() as u64;
    let (start, stop) = (offset / BLOCK_SIZE * BLOCK_SIZE, end.div_ceil(BLOCK_SIZE) * BLOCK_SIZE);
    let stop = stop.min(shared.size());
    if start == offset && stop == end {
        return Ok((offset, data));
    }
    // At most 32 MiB and two edges.
    let length = usize::try_from(stop - start).unwrap_or(usize::MAX);
    let mut wide = AlignedBuf::zeroed(length);
    let block = usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX).min(length);
    // This write's own turn covers whole blocks, so the edges can't change meanwhile.
    let head = read_ordered(shared, start, u32::try_from(block).unwrap_or(u32::MAX)).await?;
    wide[..block].copy_from_slice(&head);
    let tail_at = length.saturating_sub(1) / block.max(1) * block;
    if tail_at > 0 {
        let tail_length = u32::try_from(length - tail_at).unwrap_or(u32::MAX);
        let tail = read_ordered(shared, start + tail_at as u64, tail_length).await?;
        wide[tail_at..].copy_from_slice(&tail);
    }
    let inner = usize::try_from(offset - start).unwrap_or(usize::MAX);
    wide[inner..inner + data.len()].copy_from_slice(&data);
    Ok((start, wide))
}

fn no_replica() -> IoError {
    IoError::new(IoErrorKind::Io, "no replica can be reached")
}

/// What a frontend tells its client about a failed request.
pub(crate) fn io_error(error: &LinkError) -> IoError {
    let kind = match error.remote_kind() {
        Some(RemoteErrorKind::NoSpace) => IoErrorKind::NoSpace,
        Some(RemoteErrorKind::OutOfRange) => IoErrorKind::OutOfRange,
        Some(RemoteErrorKind::Fenced) => IoErrorKind::Fenced,
        Some(RemoteErrorKind::Refused | RemoteErrorKind::Damaged | RemoteErrorKind::Failed) | None => IoErrorKind::Io,
    };
    IoError::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_range_once() {
        const MOST: u64 = ZEROES_MAXIMUM;
        for (offset, length) in [(0, 0), (0, 1), (5, MOST), (MOST - 1, 3 * MOST), (7, 100)] {
            let mut at = offset;
            for (start, size) in pieces(offset, length, MOST) {
                assert_eq!(start, at);
                assert!(size > 0 && u64::from(size) <= MOST);
                at += u64::from(size);
            }
            assert_eq!(at, offset + length);
        }
    }
}
