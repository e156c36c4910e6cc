//! Purge of a volume: every member gives back what its removed snapshots take.
//!
//! Under one barrier every snapshot that users did not take is marked as removed on all members. From then on each
//! member purges by itself, at its own pace, while I/O goes on; SAFETY's I6 holds for what is seen from live layers at
//! every moment (`replica::unmap` says why), and a member that is dropped or stopped in the middle stays right. A
//! member whose purge fails stays a member: no data is at stake, and the status tells why it keeps the space. A rebuild
//! stops a purge, which goes on afterwards ([`super::purge_pause`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;

use super::barrier::OperationError;
use super::exclusive_work::{Work, WorkGuard};
use super::purge_pause::Pause;
use super::restore::marks::Marks;
use super::{Shared, Volume};
use crate::grpc::engine_v1::{Purge, PurgeState as Shown};
use crate::link::ReplicaLink;
use crate::link::control::{ControlReply, ControlRequest, RemoteErrorKind};
use crate::replica::{LayerInfo, PurgeState, PurgeStatus};

/// How often a member is asked how far it is: often enough for a bar that moves.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// What a request for a purge means while one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfPurging {
    /// The running one will do.
    Skip,
    Refuse,
}

/// The last purge of each replica, as the status shows it, and whether purges wait for a rebuild.
#[derive(Default)]
pub(crate) struct Purges {
    last: Mutex<BTreeMap<String, Purge>>,
    pub(super) pause: Pause,
}

impl Purges {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Purge>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self) -> Vec<Purge> {
        self.lock().values().cloned().collect()
    }

    fn set(&self, purge: Purge) {
        self.lock().insert(purge.replica.clone(), purge);
    }

    /// A purge that had been stopped for a rebuild could not go on.
    pub(super) fn not_resumed(&self, why: &str) {
        tracing::warn!(why, "a purge that was stopped for a rebuild could not go on");
        self.pause.end();
        for purge in self.lock().values_mut() {
            purge.set_state(Shown::PurgeError);
            purge.error = format!("it was stopped for a rebuild and could not go on: {why}; start it again");
        }
    }

    /// A new purge: what was told of former members is of no interest any more.
    fn begin(&self, replicas: &[ReplicaLink]) {
        let started = |link: &ReplicaLink| {
            shown(link.name(), &PurgeStatus { state: PurgeState::Running, ..PurgeStatus::default() })
        };
        *self.lock() = replicas.iter().map(|link| (link.name().to_owned(), started(link))).collect();
    }
}

fn shown(replica: &str, status: &PurgeStatus) -> Purge {
    let PurgeStatus { state, planned_bytes, done_bytes } = status;
    let (state, error) = match state {
        PurgeState::None => (Shown::Unspecified, String::new()),
        PurgeState::Running => (Shown::PurgeInProgress, String::new()),
        PurgeState::Complete => (Shown::PurgeComplete, String::new()),
        PurgeState::Failed { error } => (Shown::PurgeError, error.clone()),
    };
    let percent = match (state, planned_bytes) {
        (Shown::PurgeComplete, _) => 100,
        (_, 0) => 0,
        // Not 100 before the last layer is in its place.
        (_, planned) => u32::try_from((done_bytes * 100 / planned).min(99)).unwrap_or(99),
    };
    Purge {
        replica: replica.to_owned(),
        state: state.into(),
        progress: percent,
        planned_bytes: *planned_bytes,
        done_bytes: *done_bytes,
        error,
    }
}

impl Volume {
    /// Starts a purge on all members. Returns when everything is marked that is to go; the rest runs in the background,
    /// and the status tells how far it is.
    pub async fn purge(&self, if_purging: IfPurging) -> Result<(), OperationError> {
        let shared = &self.shared;
        let guard = match shared.work.begin(Work::Purge) {
            Ok(guard) => guard,
            Err(_) if if_purging == IfPurging::Skip && shared.is_purge_on_its_way() => return Ok(()),
            Err(refused) => return Err(refused),
        };
        // This one does what a stopped one had left.
        shared.purges.pause.end();
        let volume = self.clone();
        self.operation(async move { volume.shared.start_purge(guard).await }).await
    }
}

impl Shared {
    /// One runs, or waits for a rebuild and goes on then.
    fn is_purge_on_its_way(&self) -> bool {
        self.work.running() == Some(Work::Purge) || self.purges.pause.is_on()
    }

    pub(super) async fn start_purge(self: &Arc<Self>, guard: WorkGuard) -> Result<(), OperationError> {
        let members = {
            let _everything = self.equal_barrier().await?;
            self.refuse_while_joining(&format!("purge volume {}", self.name))?;
            self.refuse_while_filling("purge it")?;
            self.refresh_layers().await;
            self.mark_removed(system_snapshots(&self.layers.get())).await?;
            let view = self.membership.view();
            view.members.iter().map(|member| member.link.clone()).collect::<Vec<_>>()
        };
        self.purges.begin(&members);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            join_all(members.iter().map(|member| purge_one(&shared, member))).await;
            // Whoever sees that it is over finds the layers that it left.
            shared.refresh_layers().await;
            drop(guard);
            shared.changed.tell();
        });
        Ok(())
    }

    /// Marks snapshots as removed on all members; the caller holds the barrier.
    pub(crate) async fn mark_removed(&self, snapshots: Vec<String>) -> Result<(), OperationError> {
        if snapshots.is_empty() {
            return Ok(());
        }
        self.on_all(&ControlRequest::MarkRemoved { snapshots }).await
    }
}

impl Shared {
    /// Deletes removed snapshots that nothing stands on. A member that answers that it cannot keeps the space and stays
    /// a member; one whose link is lost is dropped, as after any request.
    pub(crate) async fn delete_removed_leaves(&self) -> Result<(), OperationError> {
        let view = self.membership.view();
        let request = ControlRequest::DeleteRemovedLeaves;
        let answers = join_all(view.members.iter().map(|member| member.link.control(&request))).await;
        for (member, answer) in view.members.iter().zip(answers) {
            let Err(error) = answer else { continue };
            tracing::warn!(replica = member.link.name(), %error, "removed snapshots are not deleted yet");
            if matches!(error.remote_kind(), None | Some(RemoteErrorKind::Fenced)) {
                self.membership.report(&member.link, &error);
            }
        }
        self.membership.settled().await.map_err(|error| OperationError::Failed(error.message))
    }

    /// The layers of each member: they may differ in removed ones. A member that does not answer has none here; it is
    /// found out by what is done next.
    pub(crate) async fn layers_of_all(&self) -> Vec<Vec<LayerInfo>> {
        let view = self.membership.view();
        let answers = join_all(view.members.iter().map(|member| super::start::ask_layers(&member.link))).await;
        answers.into_iter().map(Result::unwrap_or_default).collect()
    }

    /// Marks a snapshot that is live. Where it was marked before, members that purged since may not have it any more,
    /// and must not be dropped for that.
    pub(crate) async fn mark_if_live(&self, name: &str) -> Result<(), OperationError> {
        let layers = self.layers_of_all().await;
        let found: Vec<_> = layers
            .iter()
            .flatten()
            .filter(|layer| !layer.is_head && super::status::snapshot_name(&layer.file_name) == name)
            .collect();
        if found.is_empty() {
            let message = format!("there is no snapshot {name:?}; list the snapshots for the names there are");
            return Err(OperationError::Refused(message));
        }
        if found.iter().any(|layer| !layer.removed) {
            self.mark_removed(vec![name.to_owned()]).await?;
        }
        Ok(())
    }

    /// A removed snapshot that one member has purged and another has not would make the name refused by some: those
    /// would be dropped for it.
    pub(crate) async fn refuse_name_in_use(&self, name: &str) -> Result<(), OperationError> {
        for layers in self.layers_of_all().await {
            let taken = |layer: &LayerInfo| !layer.is_head && super::status::snapshot_name(&layer.file_name) == name;
            if let Some(layer) = layers.iter().find(|layer| taken(layer)) {
                let state = if layer.removed { ", removed and not yet purged" } else { "" };
                let message = format!("snapshot {name:?} is already existing{state}; choose another name");
                return Err(OperationError::Refused(message));
            }
        }
        Ok(())
    }
}

/// Live snapshots of rebuilds, expansions and the like: nobody asked for them, and a purge takes them too. Not those that
/// tell which backup the volume is.
fn system_snapshots(layers: &[LayerInfo]) -> Vec<String> {
    let marks = Marks::of(layers);
    let needed = marks.needed();
    let unasked = layers.iter().filter(|layer| !layer.is_head && !layer.removed && !layer.user_created);
    let names = unasked.map(|layer| super::status::snapshot_name(&layer.file_name));
    names.filter(|name| !needed.contains(name)).map(ToOwned::to_owned).collect()
}

/// Starts one member and follows it to its end, which comes early when a rebuild is to begin. No request is given up
/// while it is on its way: a start that arrived after the stop would purge beside the rebuild.
async fn purge_one(shared: &Shared, member: &ReplicaLink) {
    let pause = &shared.purges.pause;
    if let Some(replica) = pause.replica() {
        return show(shared, member, &failed(stopped_for(&replica)));
    }
    let mut rebuilt = None;
    let mut request = ControlRequest::PurgeStart;
    while look_at(shared, member, &request, rebuilt.as_deref()).await {
        request = ControlRequest::PurgeStatus;
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            replica = pause.begun(), if rebuilt.is_none() => {
                stop(member, &replica).await;
                rebuilt = Some(replica);
            }
        }
    }
}

async fn stop(member: &ReplicaLink, rebuilt: &str) {
    let stop = ControlRequest::PurgeStop { why: format!("replica {rebuilt} is to be rebuilt") };
    if let Err(error) = member.control(&stop).await {
        tracing::warn!(replica = member.name(), %error, "the purge could not be stopped");
    }
}

fn stopped_for(rebuilt: &str) -> String {
    format!(
        "stopped so that replica {rebuilt} can be rebuilt; what it had done stays, and it goes on by itself afterwards"
    )
}

/// Asks a member and shows its answer; false when its purge is over. `rebuilt` is for which replica it was stopped.
async fn look_at(shared: &Shared, member: &ReplicaLink, request: &ControlRequest, rebuilt: Option<&str>) -> bool {
    let mut status = match member.control(request).await {
        Ok(ControlReply::Purge(status)) => status,
        Ok(other) => failed(format!("answered a question for its purge with {other:?}")),
        Err(error) => failed(error.to_string()),
    };
    let is_running = status.state == PurgeState::Running;
    match (&mut status.state, rebuilt) {
        (PurgeState::Failed { error }, Some(replica)) => {
            tracing::info!(replica = member.name(), error, "purge stopped for a rebuild");
            *error = stopped_for(replica);
        }
        (PurgeState::Failed { error }, None) => {
            tracing::warn!(replica = member.name(), error, "purge failed; the replica stays in use");
        }
        _ => {}
    }
    show(shared, member, &status);
    is_running
}

fn show(shared: &Shared, member: &ReplicaLink, status: &PurgeStatus) {
    let before = shared.purges.lock().get(member.name()).cloned();
    let now = shown(member.name(), status);
    if before.as_ref() != Some(&now) {
        shared.purges.set(now);
        shared.changed.tell();
    }
}

fn failed(error: String) -> PurgeStatus {
    PurgeStatus { state: PurgeState::Failed { error }, ..PurgeStatus::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_is_not_at_100_percent_before_its_end() {
        let running = PurgeStatus { state: PurgeState::Running, planned_bytes: 10, done_bytes: 10 };
        assert_eq!(shown("r", &running).progress, 99);
        assert_eq!(shown("r", &PurgeStatus { state: PurgeState::Complete, ..PurgeStatus::default() }).progress, 100);
        assert_eq!(shown("r", &failed("full".to_owned())).error, "full");
    }
}
