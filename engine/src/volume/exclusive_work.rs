//! Work on a whole volume that does not go together with other work of that kind.
//!
//! Each of these changes layers, or reads them as they are for minutes: a rebuild copies what a purge merges, an
//! expansion's snapshot separates what a clone fills. One at a time keeps every one of them simple, and whoever is
//! refused is told what to wait for. I/O, snapshots and their removal go on beside all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub(crate) struct ExclusiveWork(Arc<Shared>);

struct Shared {
    /// For messages.
    volume: String,
    running: Mutex<Option<Work>>,
}

/// The right to do a piece of work; others may begin when it is dropped.
#[must_use]
pub(crate) struct WorkGuard(ExclusiveWork);

impl ExclusiveWork {
    pub(crate) fn on(volume: &str) -> Self {
        Self(Arc::new(Shared { volume: volume.to_owned(), running: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn running(&self) -> Option<Work> {
        *self.lock()
    }

    /// # Errors
    /// [`OperationError::Refused`] while anything runs, the same kind included.
    pub(crate) fn begin(&self, work: Work) -> Result<WorkGuard, OperationError> {
        let mut running = self.lock();
        if let Some(other) = *running {
            let (wanted, volume, other) = (work.noun(), &self.0.volume, other.noun());
            let message =
                format!("{wanted} of volume {volume} cannot begin while {other} is running; try again when it is done");
            return Err(OperationError::Refused(message));
        }
        *running = Some(work);
        Ok(WorkGuard(self.clone()))
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_is_named() {
        let work = ExclusiveWork::on("v");
        let purge = work.begin(Work::Purge).unwrap();
        for other in [Work::Purge, Work::Rebuild, Work::Clone, Work::Restore, Work::Expand, Work::Revert] {
            let Err(refused) = work.begin(other) else { panic!("{other:?} began beside a purge") };
            assert!(refused.to_string().contains("of volume v cannot begin while a purge is running"), "{refused}");
        }
        drop(purge);
        assert_eq!(work.running(), None);
        let _rebuild = work.begin(Work::Rebuild).unwrap();
        assert_eq!(work.running(), Some(Work::Rebuild));
    }
}
