//! Members made equal again where writes may have reached only some of them.
//!
//! After an unclean stop, or a write that failed on every member, members may differ where requests were in flight. Any
//! of the versions is a right answer, but only one of them, for ever. So: a region in the set is compared, and copied
//! from one member to the others where it differs, **before** it is read; a worker goes through the rest in the
//! background. Writes go to all members as always and need not wait.
//!
//! Invariants: a region in the set is compared on every member before it leaves the set; while the set holds anything,
//! no replica joins (one that does is dropped when something comes in), because a joiner is not compared. A block that every
//! member's disk has changed is left as it is: nobody is shown what is in it, as long as checksums are kept.

use std::sync::Arc;

use futures::future::join_all;

use super::membership::{Mode, View};
use super::ordering::Access;
use super::unequal::{REGION, regions};
use super::{Shared, repair};
use crate::crash_point;
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::frontend::IoError;
use crate::link::client::{LinkError, Payload, ReplicaLink, Request};
use crate::link::control::{ControlReply, ControlRequest};
use crate::link::frame::Kind;

/// Makes every region of the range equal on all members.
pub(crate) async fn make_equal(shared: &Shared, offset: u64, length: u64) -> Result<(), IoError> {
    for region in regions(offset, length) {
        make_region_equal(shared, region).await?;
    }
    Ok(())
}

/// Works through the whole set.
pub(crate) async fn make_all_equal(shared: &Shared) -> Result<(), IoError> {
    while let Some(region) = shared.unequal.first() {
        make_region_equal(shared, region).await?;
    }
    Ok(())
}

async fn make_region_equal(shared: &Shared, region: u64) -> Result<(), IoError> {
    if !shared.unequal.contains(region) {
        return Ok(());
    }
    let offset = region * REGION;
    let _turn = shared.ordering.turn(offset, REGION, Access::Write).await;
    if !shared.unequal.contains(region) {
        return Ok(());
    }
    // The last region of a volume may be short, and longer once the volume has grown, which waits for this turn;
    // regions are far below 4 GiB.
    let length = u32::try_from(REGION.min(shared.size() - offset)).unwrap_or(u32::MAX);
    loop {
        shared.membership.check_running()?;
        let view = shared.membership.view();
        match compare_and_copy(&view, offset, length).await {
            Ok(()) => break,
            // A failed member is out now; the others are compared again, until one is left and equal to itself.
            Err((link, error)) => {
                let (link, error) = if repair::is_damage(&error) {
                    if repair::repair_ordered(shared, &link, offset, u64::from(length)).await {
                        continue;
                    }
                    match block_by_block(&shared.membership.view(), offset, length).await {
                        Ok(()) => break,
                        Err(failed) => failed,
                    }
                } else {
                    (link, error)
                };
                let readable = view.readable().count();
                shared.membership.report(&link, &error);
                if readable <= 1 {
                    return Err(super::fan_out::io_error(&error));
                }
            }
        }
    }
    shared.membership.settled().await?;
    crash_point::reached("reconcile.region-equal");
    shared.unequal.remove(region);
    Ok(())
}

/// The first member is the source: `start` puts those whose host has not rebooted in front.
async fn compare_and_copy(view: &View, offset: u64, length: u32) -> Result<(), (ReplicaLink, LinkError)> {
    let members: Vec<_> = view.readable().collect();
    let Some((source, others)) = members.split_first() else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let request = ControlRequest::Checksum { offset, length };
    let sums = join_all(members.iter().map(|member| member.link.control(&request))).await;
    let mut checksums = Vec::new();
    for (member, sum) in members.iter().zip(sums) {
        match sum {
            Ok(ControlReply::Checksum(sum)) => checksums.push(sum),
            Ok(other) => {
                let cause = format!("answered a checksum request with {other:?}");
                let replica = member.link.name().to_owned();
                return Err((member.link.clone(), LinkError::Lost { replica, cause }));
            }
            Err(error) => return Err((member.link.clone(), error)),
        }
    }
    let different: Vec<_> = others.iter().zip(&checksums[1..]).filter(|(_, sum)| **sum != checksums[0]).collect();
    if different.is_empty() {
        return Ok(());
    }
    let read = source.link.request(Request::new(Kind::Read, offset, length)).await;
    let data: Payload = read.map_err(|error| (source.link.clone(), error))?.into();
    for (member, _) in different {
        tracing::info!(replica = member.link.name(), offset, length, "made equal");
        let mut request = Request::new(Kind::Write, offset, length);
        request.stable = true;
        request.payload = data.clone();
        member.link.request(request).await.map_err(|error| (member.link.clone(), error))?;
    }
    Ok(())
}

/// The same where a member has a block that its disk has changed: it gets what another one has there, whatever that is. What
/// nobody has is left as it is, and is an error on whoever is asked; one lost block takes no member out.
async fn block_by_block(view: &View, offset: u64, length: u32) -> Result<(), (ReplicaLink, LinkError)> {
    let members: Vec<_> = view.readable().collect();
    let end = offset + u64::from(length);
    for block in (offset..end).step_by(BLOCK_SIZE as usize) {
        let length = BLOCK_SIZE.min(end - block) as u32;
        let read = |member: &&super::membership::Member| {
            let link = member.link.clone();
            async move { link.request(Request::new(Kind::Read, block, length)).await }
        };
        let mut shown = Vec::new();
        for (member, read) in members.iter().zip(join_all(members.iter().map(read)).await) {
            match read {
                Ok(data) => shown.push(Some(data)),
                Err(error) if repair::is_damage(&error) => shown.push(None),
                Err(error) => return Err((member.link.clone(), error)),
            }
        }
        let Some(source) = shown.iter().flatten().next().cloned() else { continue };
        let differs = |data: &Option<AlignedBuf>| data.as_ref().is_none_or(|data| **data != *source);
        let request =
            Request { stable: true, payload: source.clone().into(), ..Request::new(Kind::Write, block, length) };
        for (member, shown) in members.iter().zip(&shown).filter(|(_, data)| differs(data)) {
            match shown {
                Some(_) => tracing::info!(replica = member.link.name(), offset = block, length, "made equal"),
                None => tracing::warn!(
                    replica = member.link.name(),
                    offset = block,
                    length,
                    "the disk of a replica has changed a block, and it has now what another replica has there"
                ),
            }
            member.link.request(request.clone()).await.map_err(|error| (member.link.clone(), error))?;
        }
    }
    Ok(())
}

/// Works through the set, and through what comes in later, until the volume is over.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let planned = shared.unequal.left();
        while let Some(region) = shared.unequal.first() {
            if let Err(error) = make_region_equal(&shared, region).await {
                if shared.membership.check_running().is_err() {
                    return;
                }
                tracing::warn!(%error, region, "could not make a region equal; trying again");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            shared.changed.tell();
        }
        if planned > 0 {
            tracing::info!(regions = planned, "all members are equal");
        }
        tell_settled(&shared.membership.view()).await;
        shared.region_rounds.want();
        shared.unequal.added().await;
    }
}

/// Nothing that a reboot took from a member is missing any more, so that it is as good a source as any at the next
/// start. The caller has found the set empty. A member that can't be told stays the last choice.
async fn tell_settled(view: &View) {
    let rebooted =
        |member: &&super::membership::Member| member.mode == Mode::ReadWrite && member.link.welcome().rebooted;
    let told = view.members.iter().filter(rebooted).map(|member| async {
        if let Err(error) = member.link.control(&ControlRequest::Settled).await {
            tracing::warn!(replica = member.link.name(), %error, "could not tell that all members are equal");
        }
        crash_point::reached("settle.told");
    });
    join_all(told).await;
}
