//! How blocks leave the map, and how a replica that joins gets it (L2, L5).
//!
//! One commit after the other; each takes along all that is there when it begins, so that those who wait for the one
//! before need none of their own, mostly.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::MutexGuard;

use super::super::membership::Member;
use super::super::{Shared, fan_out};
use super::map::Map;
use crate::crash_point;
use crate::frontend::{IoError, IoErrorKind};
use crate::link::control::{ControlRequest, RemoteErrorKind};
use crate::link::{LinkError, ReplicaLink};

/// Takes everything out of the map that is there.
pub(super) async fn commit(shared: &Arc<Shared>) -> Result<(), IoError> {
    let _only = shared.lazy.committing.lock().await;
    commit_all(shared).await
}

/// As [`commit`], unless these have left the map meanwhile.
pub(super) async fn commit_these(shared: &Arc<Shared>, blocks: &[usize]) -> Result<(), IoError> {
    let _only = shared.lazy.committing.lock().await;
    if shared.lazy.with(|remote| remote.blocks.are_local(blocks)).unwrap_or(true) {
        return Ok(());
    }
    commit_all(shared).await
}

async fn commit_all(shared: &Arc<Shared>) -> Result<(), IoError> {
    let Some(blocks) = shared.lazy.with(|remote| remote.blocks.uncommitted()).filter(|blocks| !blocks.is_empty())
    else {
        return Ok(());
    };
    // Their data is on all members since before the list was made; this makes it durable there.
    fan_out::flush(shared).await?;
    crash_point::reached("lazy.flushed");
    let Some(map) = shared.lazy.with(|remote| remote.map.with(&remote.blocks.in_map(&blocks))) else { return Ok(()) };
    on_members(shared, &ControlRequest::RemoteMapSet { text: Some(map.encode()) }).await?;
    crash_point::reached("lazy.cleared");
    shared.lazy.with(|remote| {
        remote.blocks.committed(&blocks);
        remote.map = map;
    });
    shared.lazy.tell();
    shared.lazy.wanted.notify_one();
    shared.changed.tell();
    Ok(())
}

/// The map goes to all members for the first time. The caller holds the barrier.
pub(super) async fn introduce(shared: &Arc<Shared>, map: &Map) -> Result<(), IoError> {
    let _only = shared.lazy.committing.lock().await;
    on_members(shared, &ControlRequest::RemoteMapSet { text: Some(map.encode()) }).await
}

/// All of the volume is here. The caller holds the barrier, and nobody joins.
pub(super) async fn retire(shared: &Arc<Shared>) -> Result<(), IoError> {
    let _only = shared.lazy.committing.lock().await;
    on_members(shared, &ControlRequest::RemoteMapSet { text: None }).await
}

/// Gives the map to a replica that has everything else and is about to be a member. No block leaves the map as long as
/// what is returned lives.
pub(crate) async fn hand_over<'volume>(
    shared: &'volume Shared,
    joiner: &ReplicaLink,
) -> Result<MutexGuard<'volume, ()>, LinkError> {
    let held = shared.lazy.committing.lock().await;
    // What is uncommitted stays in: the joiner has its data, perhaps not on its disk.
    let text = shared.lazy.with(|remote| remote.map.with(&remote.blocks.in_map(&[])).encode());
    if text.is_some() {
        joiner.control(&ControlRequest::RemoteMapSet { text }).await?;
    }
    crash_point::reached("lazy.handed-over");
    Ok(held)
}

/// Asks every member that has all data, by the rule of acknowledgement (`fan_out`): what some failed, they are dropped
/// for, and that is recorded, before it counts. A joiner gets the map when it is about to be a member.
async fn on_members(shared: &Arc<Shared>, request: &ControlRequest) -> Result<(), IoError> {
    shared.membership.check_running()?;
    let view = shared.membership.view();
    let members: Vec<&Member> = view.readable().collect();
    let answers = join_all(members.iter().map(async |member| {
        let answer = member.link.control(request).await;
        crash_point::reached("lazy.member-answered");
        answer
    }));
    let answers = answers.await;
    let failures: Vec<(&Member, LinkError)> =
        members.iter().zip(answers).filter_map(|(member, answer)| answer.err().map(|error| (*member, error))).collect();
    let Some((_, first)) = failures.first() else { return shared.membership.settled().await };
    let nobody = failures.len() == members.len();
    for (member, error) in &failures {
        let is_answer = matches!(error, LinkError::Remote { error, .. } if error.kind != RemoteErrorKind::Fenced);
        if !nobody || !is_answer {
            shared.membership.report(&member.link, error);
        }
    }
    shared.changed.tell();
    let failed = |error: &LinkError| {
        let message = format!("what is still in the backup could not be recorded: {error}");
        IoError::new(IoErrorKind::Io, message)
    };
    if nobody {
        shared.membership.check_running()?;
        return Err(failed(first));
    }
    shared.membership.settled().await?;
    let now = shared.membership.view();
    // Those that did it may have been dropped for other reasons meanwhile.
    match failures.iter().find(|(member, _)| now.is_readable(&member.link)) {
        Some((_, error)) => Err(failed(error)),
        None => Ok(()),
    }
}
