//! What whoever does the work holds.

use std::sync::Arc;

use super::new_job::{Cancel, Outcome};
use super::record::JobId;
use super::{Jobs, Level, Shared};

/// A job that runs. Telling never waits and never fails.
///
/// Dropped without an end, a job with a key waits for whoever goes on with it under that key; one without is over.
#[derive(Debug)]
pub struct JobHandle {
    id: JobId,
    shared: Arc<Shared>,
}

impl JobHandle {
    pub(super) const fn new(id: JobId, shared: Arc<Shared>) -> Self {
        Self { id, shared }
    }

    #[must_use]
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// What it does now; the same again says nothing.
    pub fn phase(&self, name: &str) {
        self.shared.change(|board| board.enter(self.id, name));
    }

    /// What there is to do in all.
    pub fn planned(&self, bytes: u64) {
        self.shared.change(|board| board.planned(self.id, bytes));
    }

    /// What has been done until now, of what is planned.
    pub fn done(&self, bytes: u64) {
        self.shared.change(|board| board.done(self.id, bytes));
    }

    /// A line for people. Secrets don't belong here.
    pub fn log(&self, level: Level, text: impl Into<String>) {
        let text = text.into();
        self.shared.change(|board| board.log(self.id, level, &text));
    }

    /// Whether it can be cancelled from now on.
    pub fn set_cancel(&self, cancel: Cancel) {
        self.shared.change(|board| board.set_cancel(self.id, cancel));
    }

    /// The user who asked to cancel it.
    #[must_use]
    pub fn cancel_asked_by(&self) -> Option<String> {
        self.shared.board().cancelled(self.id)?.borrow().clone()
    }

    /// Returns the name of the user who asked to cancel it; never if nobody does.
    pub fn cancelled(&self) -> impl Future<Output = String> + Send + use<> {
        let told = self.shared.board().cancelled(self.id);
        async move {
            let Some(mut told) = told else { return std::future::pending().await };
            let asked = told.wait_for(Option::is_some).await;
            match asked.map(|by| by.clone()) {
                Ok(Some(by)) => by,
                // It has ended and is forgotten.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }

    /// Ends it, and returns when that is in the history.
    pub async fn finish(self, outcome: Outcome) {
        let jobs = self.end(outcome);
        jobs.settle().await;
    }

    /// Ends it without waiting.
    pub(crate) fn end(self, outcome: Outcome) -> Jobs {
        let jobs = Jobs(self.shared.clone());
        jobs.finish(self.id, outcome);
        jobs
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.shared.change(|board| board.release(self.id));
    }
}
