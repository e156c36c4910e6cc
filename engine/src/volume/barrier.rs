//! What needs all I/O to pause: snapshots, their removal, reverts.
//!
//! Each waits for everything in flight, is done on every member and joiner, durably, and only then acknowledged. A
//! member that fails is dropped first. A refusal that all members share (a name that exists already) changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;

use super::exclusive_work::Work;
use super::membership::Mode;
use super::ordering::Turn;
use super::{Shared, Volume, start};
use crate::crash_point;
use crate::link::LinkError;
use crate::link::control::{ControlRequest, RemoteErrorKind};
use crate::replica::LayerInfo;

/// Files of a live chain, head included (Longhorn's limit: larger chains don't open).
pub(crate) const CHAIN_MAXIMUM: usize = 250;

/// Why an operation was not done. Nothing has changed then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OperationError {
    /// The request makes no sense now; the text says what to do.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

/// A snapshot that is to be taken.
#[derive(Clone, Debug)]
pub(crate) struct NewSnapshot {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) user_created: bool,
    /// RFC 3339, the same for all members.
    pub(crate) created: String,
}

impl Volume {
    /// Takes a snapshot on all members; an empty name gets a UUID. Returns the name.
    pub async fn snapshot(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        user_created: bool,
    ) -> Result<String, OperationError> {
        self.snapshot_while(name, labels, user_created, || Ok(())).await
    }

    /// Like [`Volume::snapshot`], if `still` says so once nothing is in flight any more: what holds then (a frozen file
    /// system) holds for the content of the snapshot, whatever comes after.
    pub async fn snapshot_while<S>(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        user_created: bool,
        still: S,
    ) -> Result<String, OperationError>
    where
        S: FnOnce() -> Result<(), OperationError> + Send + 'static,
    {
        let name = if name.is_empty() { uuid::Uuid::new_v4().to_string() } else { name.to_owned() };
        aurochs_api::ids::check_snapshot_name(&name).map_err(|error| OperationError::Refused(error.to_string()))?;
        if user_created {
            super::snapshot_labels::check(&labels)?;
        }
        self.shared.check_snapshot_limits().await?;
        self.shared.refuse_name_in_use(&name).await?;
        let volume = self.clone();
        let wanted = NewSnapshot { name: name.clone(), labels, user_created, created: now() };
        self.operation(async move {
            let shared = &volume.shared;
            shared.refuse_while_filling("take a snapshot")?;
            shared.refuse_while_restoring("take a snapshot")?;
            shared.refuse_while_remote("take a snapshot")?;
            // One after the other: two at once would take back what the other one has prepared.
            let _only = shared.snapshotting.lock().await;
            shared.prepare_snapshot(&wanted).await;
            let taken = async {
                let _everything = shared.equal_barrier().await?;
                shared.refuse_while_filling("take a snapshot")?;
                shared.refuse_while_restoring("take a snapshot")?;
                shared.refuse_while_remote("take a snapshot")?;
                still()?;
                shared.take_snapshot(wanted).await
            };
            let taken = taken.await;
            if taken.is_err() {
                shared.forget_prepared_snapshot().await;
            }
            taken
        })
        .await?;
        Ok(name)
    }

    /// Puts the volume's content back to a snapshot. The caller has made sure that no frontend is up.
    pub async fn revert(&self, name: &str) -> Result<(), OperationError> {
        let (volume, name) = (self.clone(), name.to_owned());
        self.operation(async move {
            let shared = &volume.shared;
            let _only = shared.work.begin(Work::Revert)?;
            let _everything = shared.equal_barrier().await?;
            shared.refuse_while_joining(&format!("revert volume {}", shared.name))?;
            shared.refuse_while_remote("revert it")?;
            shared.on_all(&ControlRequest::Revert { name, created: now() }).await
        })
        .await
    }

    /// Marks a snapshot removed; its files go at once when nothing stands on them.
    pub async fn remove_snapshot(&self, name: &str) -> Result<(), OperationError> {
        let (volume, name) = (self.clone(), name.to_owned());
        self.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.refuse_while_joining(&format!("delete snapshot {name}"))?;
            shared.refuse_needed_by_restore(&name)?;
            shared.mark_if_live(&name).await?;
            // Only now: a member that lacks a layer which another has as live would have lost it.
            shared.delete_removed_leaves().await
        })
        .await
    }

    /// Runs an operation to its end even when the caller goes away.
    pub(super) async fn operation<F>(&self, work: F) -> Result<(), OperationError>
    where
        F: Future<Output = Result<(), OperationError>> + Send + 'static,
    {
        let done = tokio::spawn(work).await;
        let result = done.unwrap_or_else(|error| Err(OperationError::Failed(format!("ended unexpectedly: {error}"))));
        self.shared.refresh_layers().await;
        self.shared.changed.tell();
        result
    }
}

impl Shared {
    /// A barrier with all members equal: what still differs after an unclean stop must not be frozen into a layer.
    pub(crate) async fn equal_barrier(&self) -> Result<Turn, OperationError> {
        loop {
            let equal = super::reconcile::make_all_equal(self).await;
            equal.map_err(|error| OperationError::Failed(error.message))?;
            let turn = self.ordering.barrier().await;
            if self.unequal.left() == 0 {
                return Ok(turn);
            }
        }
    }

    /// A joiner copies the layers of this moment; they must not change under it.
    pub(crate) fn refuse_while_joining(&self, what: &str) -> Result<(), OperationError> {
        let view = self.membership.view();
        let Some(joiner) = view.joiner() else { return Ok(()) };
        let name = joiner.link.name();
        let message =
            format!("cannot {what} while replica {name} is being rebuilt; try again when the rebuild is done");
        Err(OperationError::Refused(message))
    }

    /// Takes a snapshot; the caller holds the barrier.
    pub(crate) async fn take_snapshot(self: &Arc<Self>, wanted: NewSnapshot) -> Result<(), OperationError> {
        self.check_snapshot_limits().await?;
        let NewSnapshot { name, labels, user_created, created } = wanted;
        let image = format!("volume-snap-{name}.img");
        if !self.layers.get().iter().any(|layer| layer.file_name == image) {
            self.passes.end_those_of(&name);
        }
        self.on_all(&ControlRequest::Snapshot { name, user_created, created, labels }).await
    }

    /// Lets every member do what it can while requests still flow. One that cannot does all of it under the barrier.
    pub(crate) async fn prepare_snapshot(&self, wanted: &NewSnapshot) {
        let NewSnapshot { name, labels, user_created, created } = wanted.clone();
        let request = ControlRequest::SnapshotPrepare { name, user_created, created, labels };
        let view = self.membership.view();
        let answers = join_all(view.members.iter().map(|member| member.link.control(&request))).await;
        for error in answers.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "a snapshot could not be prepared; requests will wait for all of it");
        }
    }

    /// Lets every member take back what it has prepared. One that can't does so at the next HELLO.
    pub(crate) async fn forget_prepared_snapshot(&self) {
        let view = self.membership.view();
        let request = ControlRequest::SnapshotForgetPrepared;
        let answers = join_all(view.members.iter().map(|member| member.link.control(&request))).await;
        for error in answers.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "what was prepared for a snapshot could not be taken back yet");
        }
    }

    /// Does it on every member and joiner, under the caller's barrier. The status tells of it when that is over.
    pub(crate) async fn on_all(&self, request: &ControlRequest) -> Result<(), OperationError> {
        let over = |error: crate::frontend::IoError| OperationError::Failed(error.message);
        self.membership.check_running().map_err(over)?;
        let _until_all_have_it = self.layers.changing();
        let view = self.membership.view();
        let answers = view.members.iter().map(async |member| {
            let answer = member.link.control(request).await;
            crash_point::reached("barrier.member-answered");
            answer
        });
        let answers = join_all(answers).await;
        let failures: Vec<(&super::membership::Member, LinkError)> = view
            .members
            .iter()
            .zip(answers)
            .filter_map(|(member, answer)| answer.err().map(|error| (member, error)))
            .collect();
        let readable = view.readable().count();
        let failed_readable = failures.iter().filter(|(member, _)| member.mode == Mode::ReadWrite).count();
        if failed_readable == readable
            && let Some((_, error)) = failures.first()
        {
            return Err(self.nobody_did_it(error, &failures).await);
        }
        for (member, error) in &failures {
            self.membership.report(&member.link, error);
        }
        self.membership.settled().await.map_err(over)?;
        crash_point::reached("barrier.done");
        let now = self.membership.view();
        match failures.iter().find(|(member, _)| now.is_readable(&member.link)) {
            // Those that did it were dropped for other reasons meanwhile, and one that did not stayed as the last.
            Some((_, error)) => Err(OperationError::Failed(error.to_string())),
            None => Ok(()),
        }
    }

    async fn nobody_did_it(
        &self,
        first: &LinkError,
        failures: &[(&super::membership::Member, LinkError)],
    ) -> OperationError {
        // A joiner that did what no member did differs from all of them.
        if let Some(joiner) = self.membership.view().joiner()
            && !failures.iter().any(|(member, _)| member.link.is_same(&joiner.link))
        {
            self.membership.suspect(&joiner.link, "it did what every other replica failed to do");
        }
        if failures.iter().all(|(_, error)| error.remote_kind() == Some(RemoteErrorKind::Refused)) {
            return match first {
                LinkError::Remote { error, .. } => OperationError::Refused(error.message.clone()),
                LinkError::Lost { .. } => OperationError::Refused(first.to_string()),
            };
        }
        // Some may have done a part: those that still answer and stand as the first that does stay, the others are
        // dropped and rebuilt.
        let mut model: Option<Vec<LayerInfo>> = None;
        for (member, error) in failures {
            let layers = start::ask_layers(&member.link).await;
            let stands = match (&layers, &model) {
                (Err(_), _) => false,
                (Ok(_), None) => member.mode == Mode::ReadWrite,
                (Ok(layers), Some(model)) => start::agree(layers, model),
            };
            if !stands {
                self.membership.report(&member.link, error);
            } else if model.is_none() {
                model = layers.ok();
            }
        }
        OperationError::Failed(first.to_string())
    }
}

/// The time as Longhorn writes it into metadata: RFC 3339, UTC, whole seconds.
pub(crate) fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
