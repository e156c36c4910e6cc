//! Rebuilding a replica while the volume is in use (SAFETY.md, "Joining").
//!
//! `state` is what the status shows, `copy` moves the layers. A crash at any step leaves the replica outside the
//! membership: it becomes a member only by the record, after everything is on its disk.

mod copy;
mod state;

use std::sync::Arc;

use crate::crash_point;
use crate::frontend::IoError;
use crate::link::control::{ControlRequest, Hello};
use crate::link::{Address, ReplicaLink};
use crate::replica::LayerInfo;
use crate::volume::barrier::OperationError;
use crate::volume::exclusive_work::{Work, WorkGuard};
use crate::volume::membership::Mode;
use crate::volume::{Shared, Volume, start, watchdog};
use state::Progress;
pub(crate) use state::Rebuilds;

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
        let work = shared.work.begin(Work::Rebuild)?;
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
        let shared = Arc::clone(shared);
        tokio::spawn(async move { run(&shared, &link, &progress, work).await });
        Ok(())
    }

    /// Takes a replica out of the membership.
    pub async fn remove_replica(&self, name: &str) -> Result<(), OperationError> {
        let removed = self.shared.membership.remove(name).await.map_err(failed)?;
        self.shared.changed.tell();
        if removed {
            return Ok(());
        }
        Err(OperationError::Refused(format!("replica {name} is the last one with all data; it can't be removed")))
    }
}

fn failed(error: IoError) -> OperationError {
    OperationError::Failed(error.message)
}

async fn run(shared: &Arc<Shared>, link: &ReplicaLink, progress: &Progress, work: WorkGuard) {
    let result = rebuild(shared, link, progress).await;
    // Whoever sees that the rebuild is over may begin the next work at once.
    drop(work);
    match result {
        Ok(()) => {
            tracing::info!(replica = link.name(), "rebuilt");
            progress.succeed();
        }
        Err(error) => {
            tracing::warn!(replica = link.name(), %error, "rebuild failed");
            shared.membership.suspect(link, &format!("its rebuild failed: {error}"));
            link.fail("its rebuild failed");
            progress.fail(&error.to_string());
        }
    }
    shared.refresh_layers().await;
    shared.changed.tell();
}

async fn rebuild(shared: &Arc<Shared>, link: &ReplicaLink, progress: &Progress) -> Result<(), OperationError> {
    let layers = join(shared, link).await?;
    shared.changed.tell();
    copy::layers(shared, link, &layers, progress).await?;
    crash_point::reached("join.copied");
    let finish = link.control(&ControlRequest::RebuildFinish).await;
    finish.map_err(|error| OperationError::Failed(error.to_string()))?;
    crash_point::reached("join.finished");
    {
        // No snapshot is half taken while the layers are compared; those taken meanwhile count.
        let _everything = shared.ordering.barrier().await;
        compare_layers(shared, link).await?;
    }
    crash_point::reached("join.compared");
    shared.membership.promote(link.name()).await.map_err(failed)
}

/// Under a barrier: a snapshot separates what is copied from what comes as writes, and the replica gets an empty
/// directory with the same layers. Returns the layers to copy.
async fn join(shared: &Arc<Shared>, link: &ReplicaLink) -> Result<Vec<LayerInfo>, OperationError> {
    let _everything = shared.equal_barrier().await?;
    shared.refuse_while_filling("add a replica")?;
    // Its own loss is recorded before anything of it is thrown away.
    shared.membership.settled().await.map_err(failed)?;
    shared.refresh_layers().await;
    if !can_reuse_newest_snapshot(&shared.layers.get()) {
        let name = uuid::Uuid::new_v4().to_string();
        shared.take_snapshot(&name, std::collections::BTreeMap::new(), false).await?;
        crash_point::reached("join.snapshot-taken");
    }
    let asked = start::ask_layers(&source(shared)?).await;
    let layers = asked.map_err(|error| OperationError::Failed(error.to_string()))?;
    let begun = link.control(&ControlRequest::RebuildBegin { layers: layers.clone() }).await;
    begun.map_err(|error| OperationError::Failed(error.to_string()))?;
    crash_point::reached("join.begun");
    shared.membership.add_joiner(link.clone()).await.map_err(failed)?;
    crash_point::reached("join.recorded");
    watchdog::watch_link(shared, link);
    Ok(layers)
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
    let source = view.members.iter().find(|member| member.mode == Mode::ReadWrite);
    let source = source.ok_or_else(|| OperationError::Failed("no replica is left to copy from".to_owned()))?;
    Ok(source.link.clone())
}
