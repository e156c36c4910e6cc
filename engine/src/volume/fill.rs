//! Filling an empty volume on all its members: the receiving end of clones and restores.
//!
//! Invariants: the volume stays empty until every member that stays has all of the data durably; then all of them go
//! over to it under one barrier. No replica joins meanwhile, for it would lack what was filled in before. A member that
//! fails a write is dropped, and recorded as such, before the write counts; when every member fails, the fill has failed
//! and nobody is dropped.
//!
//! When members go down while only some of them have gone over to the data, the next start keeps those: the snapshot
//! is never completed on another from its empty head, as one that was taken would be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;

use super::barrier::{OperationError, now};
use super::exclusive_work::{Work, WorkGuard};
use super::membership::Mode;
use super::{Shared, Volume};
use crate::link::LinkError;
use crate::link::client::Request;
use crate::link::control::ControlRequest;
use crate::link::frame::Kind;

/// Bytes after which the members sync what they have, so that the last sync is a short one.
const SYNC_INTERVAL: u64 = 64 << 20;

/// Whether the volume is being filled.
#[derive(Clone, Default)]
pub(crate) struct FillMark(Arc<AtomicBool>);

impl FillMark {
    fn set(&self) -> Option<FillMarked> {
        (!self.0.swap(true, Ordering::SeqCst)).then(|| FillMarked(self.clone()))
    }
}

/// Takes the mark away when it goes.
struct FillMarked(FillMark);

impl Drop for FillMarked {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
}

/// A fill in progress. One that goes away unfinished is given up.
pub struct Fill {
    volume: Volume,
    id: String,
    /// Bytes written since the members were last asked to sync.
    unsynced: AtomicU64,
    over: bool,
    /// Both stay until the members have removed what a fill that is given up has left.
    marked: Option<(FillMarked, WorkGuard)>,
}

impl Volume {
    /// Begins to fill the volume, which is empty and has no frontend up (the caller has made sure of the latter), with
    /// what becomes its root snapshot `name`.
    ///
    /// # Errors
    /// [`OperationError::Refused`] where the volume has data or snapshots, or while other work on the whole volume runs.
    pub async fn fill(&self, name: &str) -> Result<Fill, OperationError> {
        self.fill_for(Work::Restore, name).await
    }

    /// As [`Volume::fill`], as a part of this work.
    pub(super) async fn fill_for(&self, work: Work, name: &str) -> Result<Fill, OperationError> {
        aurochs_api::ids::check_snapshot_name(name).map_err(|error| OperationError::Refused(error.to_string()))?;
        let shared = &self.shared;
        let mark = shared.filling.set().ok_or_else(|| shared.is_being_filled("fill it again"))?;
        let marked = Some((mark, shared.work.begin(work)?));
        let id = uuid::Uuid::new_v4().to_string();
        // From here on a failure gives up what some members have begun.
        let fill = Fill { volume: self.clone(), id: id.clone(), unsynced: AtomicU64::new(0), over: false, marked };
        let (volume, name) = (self.clone(), name.to_owned());
        let begun = self.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.refuse_while_joining(&format!("fill volume {}", shared.name))?;
            shared.refuse_while_remote("fill it")?;
            shared.on_all(&ControlRequest::FillBegin { id, name, size: shared.size() }).await
        });
        match begun.await {
            Ok(()) => Ok(fill),
            Err(error) => {
                fill.abort().await;
                Err(error)
            }
        }
    }
}

impl Fill {
    /// Puts whole blocks at `offset` on every member. Several may be on their way at once, in any order.
    ///
    /// # Errors
    /// No member has it: the fill has failed.
    pub async fn write(&self, offset: u64, data: &[u8]) -> Result<(), OperationError> {
        let shared = &self.volume.shared;
        let over = |error: crate::frontend::IoError| OperationError::Failed(error.message);
        shared.membership.check_running().map_err(over)?;
        let mut request = Request::named(Kind::FillWrite, &self.id, offset, data);
        request.stable = self.sync_is_due(data.len() as u64);
        let view = shared.membership.view();
        let answers = join_all(view.members.iter().map(|member| member.link.request(request.clone()))).await;
        let answers = view.members.iter().zip(answers);
        let failures: Vec<(_, LinkError)> =
            answers.filter_map(|(member, answer)| answer.err().map(|error| (member, error))).collect();
        let Some((_, first)) = failures.first() else {
            return shared.membership.settled().await.map_err(over);
        };
        let readable = |mode| mode == Mode::ReadWrite;
        let failed = failures.iter().filter(|(member, _)| readable(member.mode)).count();
        if failed == view.members.iter().filter(|member| readable(member.mode)).count() {
            return Err(OperationError::Failed(first.to_string()));
        }
        for (member, error) in &failures {
            shared.membership.report(&member.link, error);
        }
        shared.changed.tell();
        shared.membership.settled().await.map_err(over)?;
        let view = shared.membership.view();
        match failures.iter().find(|(member, _)| view.is_readable(&member.link)) {
            // Those that have it were dropped for other reasons meanwhile, and one that lacks it stayed as the last.
            Some((_, error)) => Err(OperationError::Failed(error.to_string())),
            None => Ok(()),
        }
    }

    /// Makes what was filled in the volume's content, durably on all members.
    ///
    /// # Errors
    /// The volume is empty still, or its members have been dropped as far as they differ from that.
    pub async fn finish(mut self) -> Result<(), OperationError> {
        let (volume, id) = (self.volume.clone(), self.id.clone());
        let finished = self.volume.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.on_all(&ControlRequest::FillFinish { id, created: now() }).await
        });
        finished.await?;
        self.over = true;
        Ok(())
    }

    /// Gives the fill up and waits until the members have removed it.
    pub async fn abort(mut self) {
        self.over = true;
        abort(&self.volume.shared, &self.id).await;
    }

    fn sync_is_due(&self, more: u64) -> bool {
        let due = self.unsynced.fetch_add(more, Ordering::Relaxed) + more >= SYNC_INTERVAL;
        if due {
            self.unsynced.store(0, Ordering::Relaxed);
        }
        due
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        let (false, Ok(runtime)) = (self.over, tokio::runtime::Handle::try_current()) else { return };
        let (shared, id, marked) = (Arc::clone(&self.volume.shared), self.id.clone(), self.marked.take());
        runtime.spawn(async move {
            abort(&shared, &id).await;
            drop(marked);
        });
    }
}

/// A member that can't is one whose link is lost: it removes the image when it is opened again.
async fn abort(shared: &Shared, id: &str) {
    let view = shared.membership.view();
    let request = ControlRequest::FillAbort { id: id.to_owned() };
    join_all(view.members.iter().map(|member| member.link.control(&request))).await;
}

impl Shared {
    /// Refuses what would change the volume under a fill.
    pub(crate) fn refuse_while_filling(&self, what: &str) -> Result<(), OperationError> {
        if self.filling.0.load(Ordering::SeqCst) { Err(self.is_being_filled(what)) } else { Ok(()) }
    }

    fn is_being_filled(&self, what: &str) -> OperationError {
        let message = format!(
            "volume {} is being filled by a clone or a restore; it is not possible to {what} now, try again when that \
             is done",
            self.name
        );
        OperationError::Refused(message)
    }
}
