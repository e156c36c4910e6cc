//! How a volume goes down.
//!
//! 1. What runs in the background ends, and everything in flight.
//! 2. Every member syncs and closes.
//! 3. The record says that the volume closed properly, if that is the whole truth.
//!
//! All of it has a limit: the last member is never dropped for being slow, and one that answers no more would keep the
//! engine, and whoever waits for its end, for ever. Past it every request fails, and nothing more is tried.
//!
//! The keeper of the control record may be out of reach, which holds no end up for longer than the constants here say.
//! **Nothing acknowledged is lost by that**: a request that waits for the record has not been acknowledged and fails now;
//! the members sync and close all the same; the record stays as it was, with every replica in it that it had, not
//! clean, so that the next start compares them.

use std::pin::pin;
use std::time::Duration;

use futures::future::join_all;

use super::membership::View;
use super::{Shared, Volume};
use crate::crash_point;
use crate::frontend::{IoError, IoErrorKind};
use crate::link::control::ControlRequest;

/// How long requests of a volume that goes down wait for the keeper: two questions of its client.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the clean end is tried to be recorded. Without that, the next start compares what their logs say.
const CLEAN_PATIENCE: Duration = Duration::from_secs(10);
/// How long all of an end may take: longer than what above waits for the keeper, and than a slow disk's sync.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);

impl Volume {
    /// The volume is about to be closed: what waits for the keeper of the control record from now on, the requests of its
    /// frontends included, fails before whoever asked for the end loses patience.
    pub fn will_close(&self) {
        let shared = std::sync::Arc::clone(&self.shared);
        tokio::spawn(async move {
            let cause = shared.membership.unrecorded_for(SETTLE_PATIENCE).await;
            let message = format!(
                "volume {} is detached although a change of its replicas is not recorded ({cause}). Nothing that was \
                 acknowledged is lost; the next start compares all replicas",
                shared.name
            );
            tracing::warn!("{message}");
            shared.membership.end(IoError::new(IoErrorKind::Shutdown, message));
        });
    }

    /// Goes down cleanly: drains, syncs and closes every member, and records that. The frontends have stopped already.
    ///
    /// # Errors
    /// The volume was over before, a newer engine owns it, or replicas did not answer in time. A keeper that can't be
    /// reached is no error.
    pub async fn close(&self) -> Result<(), IoError> {
        self.close_within(CLOSE_PATIENCE).await
    }

    /// As [`Volume::close`], with another limit.
    ///
    /// # Errors
    /// As [`Volume::close`].
    pub async fn close_within(&self, patience: Duration) -> Result<(), IoError> {
        let mut closing = pin!(self.close_cleanly());
        if let Ok(closed) = tokio::time::timeout(patience, &mut closing).await {
            return closed;
        }
        let message = format!(
            "volume {} did not close within {} s: its replicas do not answer. What was acknowledged is on them, what was \
             not flushed perhaps not on their disks; look at the nodes of its replicas. The next start compares them",
            self.shared.name,
            patience.as_secs()
        );
        // Before the barrier goes with `closing`: nothing may be let in after it.
        self.shared.membership.end(IoError::new(IoErrorKind::Shutdown, message.clone()));
        Err(IoError::new(IoErrorKind::Io, message))
    }

    async fn close_cleanly(&self) -> Result<(), IoError> {
        self.will_close();
        let shared = &self.shared;
        shared.clones.end().await;
        shared.backups.end().await;
        shared.restores.end().await;
        shared.lazy.end(&shared.name).await;
        shared.rebuilds.end("the volume is being detached").await;
        let _everything = shared.ordering.barrier().await;
        match super::fan_out::flush(shared).await {
            Ok(()) => {}
            // It was given up to wait for the record; the members have what was acknowledged, perhaps not on their disks.
            Err(error) if error.kind == IoErrorKind::Shutdown => {
                close_members(&shared.membership.view()).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        crash_point::reached("volume-close.flushed");
        // What was not compared yet would be forgotten by a clean mark.
        let equal = shared.unequal.left() == 0;
        if equal {
            super::region_rounds::clear_at_rest(shared).await;
        }
        let view = shared.membership.view();
        let all_closed = close_members(&view).await;
        crash_point::reached("volume-close.members-closed");
        let unchanged = view.has_members_of(&shared.membership.view());
        shared.membership.end(IoError::new(IoErrorKind::Shutdown, format!("volume {} is detached", shared.name)));
        if equal && all_closed && unchanged { record_clean(shared).await } else { Ok(()) }
    }
}

/// Whether every one of them is closed.
async fn close_members(view: &View) -> bool {
    let closing = view.members.iter().map(|member| member.link.control(&ControlRequest::Close));
    join_all(closing).await.iter().all(Result::is_ok)
}

async fn record_clean(shared: &Shared) -> Result<(), IoError> {
    match tokio::time::timeout(CLEAN_PATIENCE, shared.membership.record_clean()).await {
        Ok(Ok(())) => crash_point::reached("volume-close.recorded"),
        Ok(Err(error)) => return Err(IoError::new(IoErrorKind::Io, error.to_string())),
        Err(_) => tracing::warn!(
            volume = shared.name,
            "the volume is closed, and the control record could not be told within {} s. Nothing is lost; the next start \
             compares all replicas",
            CLEAN_PATIENCE.as_secs()
        ),
    }
    Ok(())
}
