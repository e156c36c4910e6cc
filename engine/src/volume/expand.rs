//! Making the volume larger while it is in use.
//!
//! 1. A barrier with all members equal: a layer is frozen, and what differs would differ for ever.
//! 2. Every member grows (a snapshot and a larger head, durable); one that fails is dropped by the rule of [`barrier`].
//! 3. The new size is published, still under the barrier: from here on requests up to it are let in.
//! 4. The barrier goes, and the frontend tells its users.
//!
//! Invariants:
//! - **No request is let in that a member could refuse for its size**: the volume's size is never larger than that of
//!   any member.
//! - **A size that was published is never taken back**, whatever becomes of the frontend: a client may have seen it.
//! - **A crash in between is an expansion that was not acknowledged**: the next start completes it on all members, or
//!   goes on with the old size where no member has the new one.
//!
//! [`barrier`]: super::barrier

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join_all;

use super::barrier::{OperationError, now};
use super::exclusive_work::{Work, WorkGuard};
use super::{Shared, Volume, start};
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::link::control::ControlRequest;
use crate::replica::expand::snapshot_name;

/// What the status shows of expansions.
#[derive(Default)]
pub(crate) struct Expansion(Mutex<Shown>);

/// Empty texts: the last one succeeded, or there was none.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    pub(crate) running: bool,
    pub(crate) last_error: String,
    /// RFC 3339, UTC.
    pub(crate) last_failed_at: String,
}

impl Expansion {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shown(&self) -> Shown {
        self.lock().clone()
    }

    fn begin(&self, work: WorkGuard) -> Running<'_> {
        self.lock().running = true;
        Running { shown: self, _work: work }
    }

    /// Nothing was begun, and the status tells why.
    pub(crate) fn failed(&self, error: &OperationError) {
        self.end(Some(error.to_string()));
    }

    fn end(&self, error: Option<String>) {
        let mut shown = self.lock();
        match error {
            Some(error) => {
                shown.last_error = error;
                shown.last_failed_at = now();
            }
            None => *shown = Shown { running: shown.running, ..Shown::default() },
        }
    }
}

/// Whatever becomes of an expansion, it does not look running for ever. Other work may begin after it looks over.
struct Running<'a> {
    shown: &'a Expansion,
    _work: WorkGuard,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shown.lock().running = false;
    }
}

impl Volume {
    /// Makes the volume `size` bytes large, a multiple of 4096, and then lets `tell_users` make the frontend follow.
    /// The present size changes nothing, but the frontend is told again. A frontend that can't follow is no failure of
    /// the expansion; the status tells of it.
    ///
    /// # Errors
    /// [`OperationError::Refused`] for a size that is not possible, or while other work on the whole volume runs;
    /// [`OperationError::Failed`] when no member could do it. The size is the old one then.
    pub async fn expand<F>(&self, size: u64, tell_users: F) -> Result<(), OperationError>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.shared.check_new_size(size)?;
        let work = self.shared.work.begin(Work::Expand)?;
        self.expand_as(work, size, tell_users).await
    }

    /// As [`Volume::expand`], for whoever has the right to already.
    pub(super) async fn expand_as<F>(&self, work: WorkGuard, size: u64, tell_users: F) -> Result<(), OperationError>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let volume = self.clone();
        self.operation(async move {
            let shared = &volume.shared;
            let _running = shared.expansion.begin(work);
            shared.changed.tell();
            if let Err(error) = shared.grow(size).await {
                tracing::warn!(volume = shared.name, size, %error, "expansion failed");
                shared.expansion.end(Some(error.to_string()));
                return Err(error);
            }
            let told = tell_users.await;
            if let Err(error) = &told {
                tracing::warn!(volume = shared.name, size, error, "the frontend did not follow an expansion");
            }
            shared.expansion.end(told.err());
            Ok(())
        })
        .await
    }
}

impl Shared {
    pub(super) fn check_new_size(&self, size: u64) -> Result<(), OperationError> {
        let (name, now) = (&self.name, self.size());
        if !size.is_multiple_of(BLOCK_SIZE) {
            let message =
                format!("volume {name} cannot have {size} bytes: a size is a multiple of {BLOCK_SIZE}; round it up");
            return Err(OperationError::Refused(message));
        }
        if size < now {
            let message = format!(
                "volume {name} has {now} bytes and cannot shrink to {size}; make a new, smaller volume and copy what is to be kept"
            );
            return Err(OperationError::Refused(message));
        }
        Ok(())
    }

    /// Grows all members and then the volume.
    pub(super) async fn grow(self: &std::sync::Arc<Self>, size: u64) -> Result<(), OperationError> {
        if size == self.size() {
            return Ok(());
        }
        self.check_snapshot_limits().await?;
        let _everything = self.equal_barrier().await?;
        let what = format!("expand volume {}", self.name);
        self.refuse_while_joining(&what)?;
        self.refuse_while_filling(&what)?;
        // Another one may have come first.
        self.check_new_size(size)?;
        if size == self.size() {
            return Ok(());
        }
        self.check_snapshot_limits().await?;
        self.refuse_name_in_use(&format!("expand-{size}")).await?;
        let done = self.on_all(&ControlRequest::Expand { size, created: now() }).await;
        if let Err(error) = done {
            self.done_all_the_same(size, error).await?;
        }
        crash_point::reached("expand.done-on-replicas");
        self.size.store(size, Ordering::Release);
        tracing::info!(volume = self.name, size, "expanded");
        Ok(())
    }

    /// A member may fail after the step that counts. Those that are left agree on their layers, so either all of them
    /// have the new size or none.
    async fn done_all_the_same(&self, size: u64, error: OperationError) -> Result<(), OperationError> {
        if matches!(error, OperationError::Refused(_)) {
            return Err(error);
        }
        let view = self.membership.view();
        let readable = view.readable();
        let layers = join_all(readable.map(|member| start::ask_layers(&member.link))).await;
        let grown = |layers: &Vec<crate::replica::LayerInfo>| start::head_size(layers) == Some(size);
        if !layers.is_empty() && layers.iter().all(|layers| layers.as_ref().is_ok_and(grown)) {
            tracing::warn!(volume = self.name, size, %error, "expanded, although every replica reported a failure");
            return Ok(());
        }
        Err(error)
    }
}

/// Whether this layer is what an expansion to `size` bytes leaves.
pub(super) fn is_left_by(file_name: &str, size: u64) -> bool {
    file_name == format!("volume-snap-{}.img", snapshot_name(size))
}
