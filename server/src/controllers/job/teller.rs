//! Tells jobs of what is seen, thing by thing.

use std::collections::{BTreeSet, HashMap};

use tokio::task::JoinHandle;

use super::cancel;
use super::work::{Chance, Course, Step, Work, steps};
use crate::controllers::Context;
use crate::jobs::{JobHandle, Level, Outcome};

/// What was seen last, and the jobs that run because of it.
pub(super) struct Teller {
    context: Context,
    /// By the beginning of the keys: `engine/data-e-0/`.
    before: HashMap<String, Vec<Work>>,
    held: HashMap<String, Held>,
}

struct Held {
    handle: JobHandle,
    canceller: Option<Canceller>,
}

/// Waits for somebody who asks to cancel a job; ends with it.
struct Canceller(JoinHandle<()>);

impl Drop for Canceller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Teller {
    pub(super) fn new(context: &Context) -> Self {
        Self { context: context.clone(), before: HashMap::new(), held: HashMap::new() }
    }

    /// Keys with this beginning, of jobs that run.
    pub(super) fn open(&self, prefix: &str) -> BTreeSet<String> {
        self.context.jobs.running_keys(prefix).into_iter().collect()
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        self.held.contains_key(key)
    }

    /// Tells what is seen now of the thing with this beginning of keys. `lost`: what it means when a job's work is not to
    /// be seen any more.
    pub(super) fn tell(&mut self, prefix: &str, now: Vec<Work>, lost: &str) {
        let before = self.before.get(prefix).map(Vec::as_slice);
        // Nearly always: most things do nothing.
        if now.is_empty() && before.is_some_and(<[Work]>::is_empty) {
            return;
        }
        let (open, before) = (self.open(prefix), self.before.remove(prefix));
        for step in steps(before.as_deref(), &now, &open) {
            match step {
                Step::Go(work) => self.go(work, before.as_deref()),
                Step::End(work, outcome) => {
                    self.go(work, before.as_deref());
                    self.end(&work.key, outcome.clone());
                }
                Step::Lost(key) => self.lose(&key, lost),
            }
        }
        self.before.insert(prefix.to_owned(), now);
    }

    /// The thing is gone, and its work with it.
    pub(super) fn forget(&mut self, prefix: &str, why: &str) {
        self.tell(prefix, Vec::new(), why);
        self.before.remove(prefix);
    }

    fn go(&mut self, work: &Work, before: Option<&[Work]>) {
        let is_new = !self.held.contains_key(&work.key);
        let context = &self.context;
        let held = self.held.entry(work.key.clone()).or_insert_with(|| {
            let handle = context.jobs.start(work.as_new_job());
            Held { handle, canceller: None }
        });
        let handle = &held.handle;
        handle.set_cancel(work.cancel.as_cancel());
        held.canceller = match (&work.cancel, held.canceller.take()) {
            (Chance::Possible(way), None) => {
                let (asked, way, context) = (handle.cancelled(), way.clone(), context.clone());
                Some(Canceller(tokio::spawn(async move {
                    asked.await;
                    cancel::perform(&context, &way).await;
                })))
            }
            (Chance::Possible(_), canceller) => canceller,
            (Chance::Impossible(_), _) => None,
        };
        if let Course::Runs(phase) = work.course {
            handle.phase(phase);
        }
        if let Some(planned) = work.planned_bytes {
            handle.planned(planned);
        }
        handle.done(work.done_bytes);
        let known = before.into_iter().flatten().find(|known| known.key == work.key && !is_new);
        let is_known = |note: &(Level, String)| known.is_some_and(|known| known.notes.contains(note));
        for (level, text) in work.notes.iter().filter(|note| !is_known(note)) {
            handle.log(*level, text);
        }
    }

    fn lose(&mut self, key: &str, why: &str) {
        if !self.held.contains_key(key) {
            let Some(seen) = self.context.jobs.seen(key) else { return };
            let record = seen.record;
            // Gone on with for a moment, to be ended.
            let new = crate::jobs::NewJob {
                key: record.key,
                cancel: record.cancel,
                ..crate::jobs::NewJob::new(record.kind, record.object, why)
            };
            let handle = self.context.jobs.start(new);
            self.held.insert(key.to_owned(), Held { handle, canceller: None });
        }
        if let Some(held) = self.held.get(key) {
            held.handle.log(Level::Warning, why);
        }
        self.end(key, Outcome::Interrupted);
    }

    fn end(&mut self, key: &str, outcome: Outcome) {
        let Some(held) = self.held.remove(key) else { return };
        // What ends so after somebody asked for its end ends because of that.
        let outcome = match (held.handle.cancel_asked_by(), outcome) {
            (Some(by), Outcome::Interrupted | Outcome::Failed(_)) => Outcome::Cancelled(by),
            (_, outcome) => outcome,
        };
        held.handle.end(outcome);
    }
}
