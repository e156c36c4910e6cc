//! Work on a whole volume that does not go together with other work of that kind.
//!
//! Each of these changes layers, or reads them as they are for minutes: a rebuild copies what a purge merges, an
//! expansion's snapshot separates what a clone fills. One at a time keeps every one of them simple, and whoever is
//! refused is told what to wait for. I/O, snapshots and their removal go on beside all of them. Only a purge gives way, to
//! a rebuild ([`super::purge_pause`]).

use std::sync::Arc;

use tokio::sync::watch;

use super::barrier::OperationError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Purge,
    Rebuild,
    Clone,
    Restore,
    Expand,
    Revert,
}

impl Work {
    /// In the words of people: "a purge is running".
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Purge => "a purge",
            Self::Rebuild => "a rebuild",
            Self::Clone => "a clone",
            Self::Restore => "a restore",
            Self::Expand => "an expansion",
            Self::Revert => "a revert",
        }
    }
}

/// What runs on a volume.
#[derive(Clone)]
pub(crate) struct ExclusiveWork(Arc<watch::Sender<Option<Work>>>);

impl Default for ExclusiveWork {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

/// The right to do a piece of work; others may begin when it is dropped.
#[must_use]
pub(crate) struct WorkGuard(ExclusiveWork);

impl ExclusiveWork {
    pub(crate) fn running(&self) -> Option<Work> {
        *self.0.borrow()
    }

    /// Resolves when this work does not run.
    pub(crate) async fn ended(&self, work: Work) {
        // An error means that the sender is gone, and it is `self`.
        let _ = self.0.subscribe().wait_for(|now| *now != Some(work)).await;
    }

    /// # Errors
    /// [`OperationError::Refused`] while anything runs, the same kind included.
    pub(crate) fn begin(&self, work: Work) -> Result<WorkGuard, OperationError> {
        let mut refused = None;
        self.0.send_if_modified(|running| {
            refused = *running;
            running.get_or_insert(work);
            refused.is_none()
        });
        let Some(other) = refused else { return Ok(WorkGuard(self.clone())) };
        let (wanted, other) = (work.noun(), other.noun());
        let message = format!("{wanted} cannot begin while {other} is running; try again when it is done");
        Err(OperationError::Refused(message))
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.0.0.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_is_named() {
        let work = ExclusiveWork::default();
        let purge = work.begin(Work::Purge).unwrap();
        for other in [Work::Purge, Work::Rebuild, Work::Clone, Work::Restore, Work::Expand, Work::Revert] {
            let Err(refused) = work.begin(other) else { panic!("{other:?} began beside a purge") };
            assert!(refused.to_string().contains("a purge is running"), "{refused}");
        }
        drop(purge);
        assert_eq!(work.running(), None);
        let _rebuild = work.begin(Work::Rebuild).unwrap();
        assert_eq!(work.running(), Some(Work::Rebuild));
    }

    #[tokio::test]
    async fn whoever_waits_for_an_end_is_told() {
        let work = ExclusiveWork::default();
        let purge = work.begin(Work::Purge).unwrap();
        let waiting = tokio::spawn({
            let work = work.clone();
            async move { work.ended(Work::Purge).await }
        });
        drop(purge);
        waiting.await.unwrap();
    }
}
