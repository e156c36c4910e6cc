//! Rebuilding a replica while the volume is in use (SAFETY.md, "Joining").
//!
//! A replica that was a member gets what it missed (`catch_up`), if that is known. Else `copy` moves all layers: `groups` of
//! them from several `sources` at once. Both go at a `pace` that leaves the foreground its share (`window`). `state` is what the status shows. A crash at any step leaves the replica outside the membership:
//! it becomes a member only by the record, after everything is on its disk.
//!
//! A rebuild ends early when the joiner is removed, lost or failed a write, and when the volume is closed.

mod catch_up;
mod copy;
mod counter;
mod groups;
mod held;
mod pace;
mod pieces;
mod rate;
mod sources;
mod state;
mod window;

use std::sync::Arc;
use std::time::Duration;

use crate::crash_point;
use crate::frontend::IoError;
use crate::link::control::{ControlRequest, Hello};
use crate::link::{Address, ReplicaLink};
use crate::replica::LayerInfo;
use crate::volume::barrier::{NewSnapshot, OperationError};
use crate::volume::exclusive_work::{Work, WorkGuard};
use crate::volume::lazy;
use crate::volume::ordering::Turn;
use crate::volume::purge_pause::PurgeWaits;
use crate::volume::{Shared, Volume, generation, start, watchdog};
pub use pace::RebuildPace;
use state::Progress;
pub(crate) use state::Rebuilds;

/// How long I/O may wait for a replica that is about to join: enough to delete large old layers.
const BEGIN_PATIENCE: Duration = Duration::from_secs(30);

impl Volume {
    /// Starts to rebuild a replica: it gets every write from now on, and its layers in the background.
    pub async fn add_replica(&self, name: &str, address: Address) -> Result<(), OperationError> {
        let shared = &self.shared;
        let view = shared.membership.view();
        if view.members.iter().any(|member| member.link.name() == name) {
            return Ok(());
        }
        if let Some(joiner) = view.joiner() {
            let message = format!("replica {} is being rebuilt; one at a time", joiner.link.name());
            return Err(OperationError::Refused(message));
        }
        shared.refuse_while_filling("add a replica")?;
        // A purge gives way, but not to a replica that cannot be reached.
        let is_purging = shared.work.running() == Some(Work::Purge);
        let work = if is_purging { None } else { Some(shared.begin_rebuild(name).await?) };
        let progress = shared.rebuilds.begin(name).ok_or_else(|| {
            OperationError::Refused("another replica is about to be rebuilt; one at a time".to_owned())
        })?;
        let hello = Hello {
            volume: shared.name.clone(),
            replica: name.to_owned(),
            epoch: view.record.epoch.0,
            session: shared.session.clone(),
            link: 0,
            holds_data: false,
            salvage: false,
            bulk: false,
        };
        let link = match ReplicaLink::connect(name, &address, &hello).await {
            Ok(link) => link,
            Err(error) => {
                progress.fail(&error.to_string());
                return Err(OperationError::Failed(error.to_string()));
            }
        };
        if link.welcome().size > shared.size() {
            let message = format!(
                "replica {name} has {} bytes and volume {} only {}; delete it and let a new one be built",
                link.welcome().size,
                shared.name,
                shared.size()
            );
            progress.fail(&message);
            return Err(OperationError::Refused(message));
        }
        let work = match work {
            Some(work) => Ok(work),
            None => shared.begin_rebuild(name).await,
        };
        let work = work.inspect_err(|error| progress.fail(&error.to_string()))?;
        let shared = Arc::clone(shared);
        tokio::spawn(async move { run(&shared, &link, &progress, work).await });
        Ok(())
    }

    /// Takes a replica out of the membership.
    pub async fn remove_replica(&self, name: &str) -> Result<(), OperationError> {
        self.shared.rebuilds.cancel(name, "the replica was removed on request");
        let removed = self.shared.membership.remove(name).await.map_err(failed)?;
        self.shared.changed.tell();
        if removed {
            return Ok(());
        }
        Err(OperationError::Refused(format!("replica {name} is the last one with all data; it can't be removed")))
    }

    /// How fast rebuilds go from now on, the running one included.
    pub fn set_rebuild_pace(&self, pace: RebuildPace) {
        self.shared.rebuilds.pace().set(pace);
        self.shared.changed.tell();
    }
}

fn failed(error: IoError) -> OperationError {
    OperationError::Failed(error.message)
}

async fn run(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    progress: &Progress,
    (work, _purge_waits): (WorkGuard, PurgeWaits),
) {
    let mut work = Some(work);
    let result = match rebuild(shared, link, progress, &mut work).await {
        // A lost joiner shows in many ways, and a cancelled rebuild too.
        Err(error) => Err(progress.check().err().map_or(error, OperationError::Failed)),
        done => done,
    };
    match result {
        Ok(()) => {
            tracing::info!(replica = link.name(), "rebuilt");
            progress.succeed();
            // Its log says that much is dirty, or everything.
            shared.region_rounds.want();
        }
        Err(error) => {
            tracing::warn!(replica = link.name(), %error, "rebuild failed");
            shared.membership.withdraw(link.name());
            shared.membership.suspect(link, &format!("its rebuild failed: {error}"));
            link.fail("its rebuild failed");
            if progress.check().is_err() {
                // Whoever asked for its end knows, and it may have joined only after that. Before the next rebuild of
                // a replica of this name can begin.
                let _ = shared.membership.remove(link.name()).await;
            }
            drop(work);
            progress.fail(&error.to_string());
        }
    }
    shared.refresh_layers().await;
    shared.changed.tell();
}

/// What a replica that has joined does not have.
enum Lacks {
    /// Everything but what is written from now on.
    Layers(Vec<LayerInfo>),
    /// Nothing else.
    Regions(catch_up::Ranges),
}

/// Lets go of `work` when the replica is about to be a member.
async fn rebuild(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    progress: &Progress,
    work: &mut Option<WorkGuard>,
) -> Result<(), OperationError> {
    let lacks = join(shared, link, progress).await?;
    shared.changed.tell();
    tokio::select! {
        filled = fill(shared, link, &lacks, progress) => filled?,
        why = progress.cancelled() => return Err(OperationError::Failed(why)),
        // Otherwise the pieces that wait for their turn would wait for nothing.
        () = link.lost() => {
            let cause = link.lost_cause().unwrap_or("the link was lost");
            return Err(OperationError::Failed(format!("replica {}: {cause}", link.name())));
        }
    }
    {
        // No snapshot is half taken while the layers are compared; those taken meanwhile count.
        let _everything = shared.ordering.barrier().await;
        compare_layers(shared, link).await?;
        counter::copy(&source(shared)?, link).await?;
    }
    crash_point::reached("join.compared");
    // It has everything. Should all members be lost before it is one, that must not look like never having been here.
    let generation = shared.membership.view().record.generation;
    let told = generation::tell_and_wait(link, generation).await;
    told.map_err(|error| OperationError::Failed(error.to_string()))?;
    crash_point::reached("join.told");
    let handed_over = lazy::commit::hand_over(shared, link).await;
    let _no_block_leaves_the_map = handed_over.map_err(|error| OperationError::Failed(error.to_string()))?;
    // Whoever sees it as a member may begin the next work at once. Until then that is refused for the joiner.
    drop(work.take());
    tokio::select! {
        promoted = shared.membership.promote(link) => promoted.map_err(failed),
        why = progress.cancelled() => Err(OperationError::Failed(why)),
    }
}

/// What takes long, and may be given up at any point: the joiner is thrown away then.
async fn fill(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    lacks: &Lacks,
    progress: &Progress,
) -> Result<(), OperationError> {
    match lacks {
        Lacks::Layers(layers) => copy::layers(shared, link, layers, progress).await?,
        Lacks::Regions(ranges) => catch_up::copy(shared, link, ranges, progress).await?,
    }
    crash_point::reached("join.copied");
    let finish = link.control(&ControlRequest::RebuildFinish).await;
    finish.map_err(|error| OperationError::Failed(error.to_string()))?;
    crash_point::reached("join.finished");
    Ok(())
}

/// Waits for the barrier as long as nobody has asked the rebuild to end. Making members equal must run to its end, so
/// the wait goes on by itself then, and lets go at once.
async fn barrier(shared: &Arc<Shared>, progress: &Progress) -> Result<Turn, OperationError> {
    let waiting = Arc::clone(shared);
    let barrier = tokio::spawn(async move {
        // Under the barrier everybody would wait with it for the keeper.
        waiting.membership.settled().await.map_err(failed)?;
        waiting.equal_barrier().await
    });
    let turn = tokio::select! {
        turn = barrier => turn.map_err(|error| OperationError::Failed(format!("ended unexpectedly: {error}")))??,
        why = progress.cancelled() => return Err(OperationError::Failed(why)),
    };
    progress.check().map_err(OperationError::Failed)?;
    Ok(turn)
}

/// The record has the replica as joining first, and no longer as a member: only then anything of it is thrown away. That
/// may take as long as the control plane takes. Then, under a barrier, it goes on with what it has, if that is possible.
/// Otherwise: a snapshot separates what is copied from what comes as writes, and the replica gets an empty directory with
/// the same layers. Returns what there is to copy.
async fn join(shared: &Arc<Shared>, link: &ReplicaLink, progress: &Progress) -> Result<Lacks, OperationError> {
    tokio::select! {
        announced = shared.membership.announce(link.name()) => announced.map_err(failed)?,
        why = progress.cancelled() => return Err(OperationError::Failed(why)),
    }
    crash_point::reached("join.recorded");
    // One after the other: two at once would take back what the other one has prepared.
    let _only = tokio::select! {
        only = shared.snapshotting.lock() => only,
        why = progress.cancelled() => return Err(OperationError::Failed(why)),
    };
    if let Some(ranges) = catch_up::join(shared, link, progress).await? {
        tracing::info!(replica = link.name(), "it was a member, and gets what it missed");
        return Ok(Lacks::Regions(ranges));
    }
    let separating = NewSnapshot {
        name: uuid::Uuid::new_v4().to_string(),
        labels: std::collections::BTreeMap::new(),
        user_created: false,
        created: crate::volume::barrier::now(),
    };
    let joined = match prepare(shared, &separating, progress).await {
        Ok(()) => join_under_barrier(shared, link, separating, progress).await,
        Err(error) => Err(error),
    };
    if joined.is_err() {
        shared.forget_prepared_snapshot().await;
    }
    joined.map(Lacks::Layers)
}

/// What can be done for the snapshot while requests still flow.
async fn prepare(shared: &Shared, separating: &NewSnapshot, progress: &Progress) -> Result<(), OperationError> {
    let preparing = async {
        shared.refresh_layers().await;
        if !can_reuse_newest_snapshot(&shared.layers.get()) {
            shared.prepare_snapshot(separating).await;
        }
    };
    tokio::select! {
        () = preparing => Ok(()),
        why = progress.cancelled() => Err(OperationError::Failed(why)),
    }
}

async fn join_under_barrier(
    shared: &Arc<Shared>,
    link: &ReplicaLink,
    separating: NewSnapshot,
    progress: &Progress,
) -> Result<Vec<LayerInfo>, OperationError> {
    let _everything = barrier(shared, progress).await?;
    shared.refuse_while_filling("add a replica")?;
    shared.refresh_layers().await;
    if can_reuse_newest_snapshot(&shared.layers.get()) {
        // What was written before the preparation may have been discarded since.
        shared.forget_prepared_snapshot().await;
    } else {
        shared.take_snapshot(separating).await?;
        crash_point::reached("join.snapshot-taken");
    }
    let asked = start::ask_layers(&source(shared)?).await;
    let layers = asked.map_err(|error| OperationError::Failed(error.to_string()))?;
    ask_to_begin(link, &ControlRequest::RebuildBegin { layers: layers.clone() }, progress).await?;
    crash_point::reached("join.begun");
    shared.membership.add_joiner(link).map_err(failed)?;
    watchdog::watch_link(shared, link);
    Ok(layers)
}

/// All I/O waits for this, and nobody watches the link of a replica that has not joined yet.
async fn ask_to_begin(link: &ReplicaLink, request: &ControlRequest, progress: &Progress) -> Result<(), OperationError> {
    let cause = tokio::select! {
        begun = link.control(request) => {
            return begun.map(drop).map_err(|error| OperationError::Failed(error.to_string()));
        }
        why = progress.cancelled() => why,
        () = link.lost() => link.lost_cause().unwrap_or("the link was lost").to_owned(),
        () = tokio::time::sleep(BEGIN_PATIENCE) => {
            format!("it was not ready to join within {} s", BEGIN_PATIENCE.as_secs())
        }
    };
    link.fail(&cause);
    Err(OperationError::Failed(format!("replica {}: {cause}", link.name())))
}

/// An attempt that failed before left a system snapshot under a head that nothing was written to: it serves again,
/// so that attempts don't pile up layers.
fn can_reuse_newest_snapshot(layers: &[LayerInfo]) -> bool {
    let Some(head) = layers.iter().find(|layer| layer.is_head) else { return false };
    let parent = layers.iter().find(|layer| layer.file_name == head.parent);
    head.allocated_bytes == 0 && parent.is_some_and(|parent| !parent.user_created && !parent.removed)
}

/// What can be compared without reading everything again: the layers, their parents, marks and sizes.
async fn compare_layers(shared: &Shared, link: &ReplicaLink) -> Result<(), OperationError> {
    let lost = |error: crate::link::LinkError| OperationError::Failed(error.to_string());
    let has = start::ask_layers(link).await.map_err(lost)?;
    let wanted = start::ask_layers(&source(shared)?).await.map_err(lost)?;
    let live = |layer: &&LayerInfo| layer.is_head || !layer.removed;
    let sizes = |layers: &[LayerInfo]| layers.iter().filter(live).map(|layer| layer.file_size).sum::<u64>();
    if start::agree(&has, &wanted) && sizes(&has) == sizes(&wanted) {
        return Ok(());
    }
    Err(OperationError::Failed("after the copy the layers differ from the source's".to_owned()))
}

/// A member with all data.
fn source(shared: &Shared) -> Result<ReplicaLink, OperationError> {
    let view = shared.membership.view();
    let source = view.readable().next();
    let source = source.ok_or_else(|| OperationError::Failed("no replica is left to copy from".to_owned()))?;
    Ok(source.link.clone())
}
