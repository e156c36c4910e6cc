//! A purge gives way to a rebuild.
//!
//! A volume that lacks a replica may lose its data with the next disk; one that lacks space only lacks space. So whoever
//! is about to rebuild has a running purge stopped, which costs the copy of at most one merge on each member, and when
//! the rebuild is over, however it ended, the purge goes on by itself.
//!
//! ```text
//!   Going ──a rebuild wants to begin──► paused for it ──the rebuild is over, and nothing else runs──► Going
//!                                            └──somebody starts a purge, or the volume ends──► Going
//! ```

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::Shared;
use super::barrier::OperationError;
use super::exclusive_work::{Work, WorkGuard};

/// How long a rebuild waits for the purge: three times the longest step of a member.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How often a purge that waits looks whether it may go on: nobody waits for it.
const RESUME_INTERVAL: Duration = Duration::from_millis(500);

/// The replica that purges wait for, if they do.
pub(super) struct Pause(watch::Sender<Option<String>>);

impl Default for Pause {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Pause {
    pub(super) fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(super) fn replica(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Ends it: a purge begins.
    pub(super) fn end(&self) {
        self.0.send_replace(None);
    }

    fn begin(&self, replica: String) {
        self.0.send_if_modified(|now| {
            let begins = now.is_none();
            now.get_or_insert(replica);
            begins
        });
    }

    /// Resolves when purges have to wait; tells for which replica.
    pub(super) async fn begun(&self) -> String {
        let mut pause = self.0.subscribe();
        let begun = pause.wait_for(Option::is_some).await;
        // An error means that the sender is gone, and it is `self`.
        begun.map(|replica| replica.clone().unwrap_or_default()).unwrap_or_default()
    }
}

/// Held while a rebuild runs that may have stopped a purge; that goes on afterwards.
#[must_use]
pub(crate) struct PurgeWaits(Weak<Shared>);

impl Drop for PurgeWaits {
    fn drop(&mut self) {
        let is_paused = self.0.upgrade().is_some_and(|shared| shared.purges.pause.is_on());
        // Without a runtime the process is about to end.
        if let (true, Ok(runtime)) = (is_paused, tokio::runtime::Handle::try_current()) {
            runtime.spawn(resume(Weak::clone(&self.0)));
        }
    }
}

impl Shared {
    /// Begins a rebuild. A purge that runs is stopped for it, and goes on when the second value is dropped.
    ///
    /// # Errors
    /// [`OperationError::Refused`] while something else runs, or when the purge does not end in time.
    pub(crate) async fn begin_rebuild(
        self: &Arc<Self>,
        replica: &str,
    ) -> Result<(WorkGuard, PurgeWaits), OperationError> {
        let waits = PurgeWaits(Arc::downgrade(self));
        let begun = tokio::time::timeout(STOP_PATIENCE, async {
            loop {
                match self.work.begin(Work::Rebuild) {
                    Err(_) if self.work.running() == Some(Work::Purge) => {}
                    // What ran may have ended just now.
                    Err(_) if self.work.running().is_none() => continue,
                    outcome => return outcome,
                }
                self.purges.pause.begin(replica.to_owned());
                self.work.ended(Work::Purge).await;
            }
        });
        let begun = begun.await.unwrap_or_else(|_| {
            let message = format!(
                "replica {replica} cannot be rebuilt yet: the purge did not stop within {} s; try again",
                STOP_PATIENCE.as_secs()
            );
            Err(OperationError::Refused(message))
        });
        Ok((begun?, waits))
    }
}

/// Waits until a purge may run, and starts it. Ends when another one has begun, or with the volume.
async fn resume(shared: Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        if !shared.purges.pause.is_on() || shared.membership.check_running().is_err() {
            return;
        }
        if shared.membership.view().joiner().is_none()
            && let Ok(guard) = shared.work.begin(Work::Purge)
        {
            let waited_for = shared.purges.pause.replica();
            shared.purges.pause.end();
            match shared.start_purge(guard).await {
                Ok(()) => return,
                Err(OperationError::Refused(why)) => {
                    tracing::debug!(why, "the purge still waits");
                    shared.purges.pause.begin(waited_for.unwrap_or_default());
                }
                Err(OperationError::Failed(why)) => return shared.purges.not_resumed(&why),
            }
        }
        drop(shared);
        tokio::time::sleep(RESUME_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_for_the_first_that_asked_until_a_purge_begins() {
        let pause = Pause::default();
        assert!(!pause.is_on());
        pause.begin("r-1".to_owned());
        pause.begin("r-2".to_owned());
        assert_eq!(pause.begun().await, "r-1");
        pause.end();
        assert!(!pause.is_on());
    }
}
