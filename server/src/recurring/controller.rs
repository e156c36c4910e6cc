//! Begins runs when they are due, and brings them to their end.
//!
//! ```text
//!            due, or asked for              begun: one more attempt         over
//!  (nothing) ────────────────► status.run ─────────────────────────► runs ──────► status.lastRun
//!                                   ▲  a manager that ended in the middle │
//!                                   └─────────────────────────────────────┘ at most four attempts
//! ```
//! The store is written before anything is done, so that what is done is known to whoever comes next.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::clock::Clock;
use super::due::{self, Due};
use super::history::Entry;
use super::moments::COUNTED_MAXIMUM;
use super::reach;
use super::run::{self, Ended};
use crate::controllers::queue::WorkQueue;
use crate::controllers::runtime::{Controller, Next};
use crate::controllers::{Context, Error};
use crate::jobs::Level;
use crate::resources::recurring_job::{RecurringJobStatus, RecurringRun};
use crate::resources::{Object, RecurringJob};
use crate::store::StoreError;

/// A run that ends its manager every time must not do so for ever: once, and three times more.
const ATTEMPTS_MAXIMUM: u32 = 4;

pub(super) struct Recurring {
    context: Context,
    clock: Clock,
    queue: WorkQueue,
    running: Running,
    /// The runs under way. Dropping them ends them; the next manager goes on.
    runs: Mutex<JoinSet<()>>,
}

/// Names of the jobs that this manager runs.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<BTreeSet<String>>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the job is not begun again; then it is looked at.
struct Mark {
    running: Running,
    queue: WorkQueue,
    job: String,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.running.lock().remove(&self.job);
        self.queue.add(&self.job);
    }
}

impl Recurring {
    pub(super) fn new(context: &Context, clock: Clock, queue: &WorkQueue) -> Self {
        Self {
            context: context.clone(),
            clock,
            queue: queue.clone(),
            running: Running::default(),
            runs: Mutex::default(),
        }
    }

    /// Writes the status if it still is the one that the pass has read: two can't begin the same run.
    async fn write(
        &self,
        job: &Object<RecurringJob>,
        status: RecurringJobStatus,
    ) -> Result<Object<RecurringJob>, Error> {
        let status = RecurringJobStatus { owner_id: self.context.owner.to_string(), ..status };
        Ok(self.context.store.update_status(&Object { status, ..job.clone() }).await?)
    }

    async fn begin_when_due(&self, job: &Object<RecurringJob>) -> Result<Next, Error> {
        let now = self.clock.now();
        let decided = match due::decide(job, now) {
            Ok(decided) => decided,
            Err(error) => {
                // It was checked when it was stored: the zone's file may be gone, or an older version wrote it.
                tracing::warn!(job = job.name(), cron = job.spec.cron, %error, "a recurring job has no times");
                return Ok(Next::Wait);
            }
        };
        match decided {
            Due::Never => Ok(Next::Wait),
            Due::Wait(next) => Ok(Next::After(self.clock.pause_until(next))),
            Due::Follow(followed) => {
                let status = RecurringJobStatus { followed: Some(followed), ..job.status.clone() };
                let job = self.write(job, status).await?;
                Box::pin(self.begin_when_due(&job)).await
            }
            Due::Run { at, missed } => {
                let run = RecurringRun { missed: missed.try_into().unwrap_or(u32::MAX), ..asked_for(at, "") };
                let mut status = RecurringJobStatus { last_due: at.to_string(), ..job.status.clone() };
                status.want(run);
                let job = self.write(job, status).await?;
                self.start(job).await
            }
        }
    }

    /// Begins what is wanted, or goes on with it.
    async fn start(&self, job: Object<RecurringJob>) -> Result<Next, Error> {
        let Some(wanted) = job.status.run.clone() else { return Ok(Next::Wait) };
        let now = self.clock.now().to_string();
        let started_at = if wanted.started_at.is_empty() { now } else { wanted.started_at.clone() };
        let run = RecurringRun { attempts: wanted.attempts + 1, started_at, ..wanted };
        let status = RecurringJobStatus { run: Some(run.clone()), ..job.status.clone() };
        let job = self.write(&job, status).await?;
        let work = Work { context: self.context.clone(), clock: self.clock.clone(), job, run };
        let job = work.job.name().to_owned();
        self.running.lock().insert(job.clone());
        let mark = Mark { running: self.running.clone(), queue: self.queue.clone(), job };
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        while runs.try_join_next().is_some() {}
        runs.spawn(async move {
            let _mark = mark;
            work.run().await;
        });
        Ok(Next::Wait)
    }
}

/// A run that somebody wants; nobody when its time has come.
#[must_use]
pub fn asked_for(due: Timestamp, by: &str) -> RecurringRun {
    RecurringRun {
        id: Uuid::new_v4().to_string(),
        due: due.to_string(),
        started_by: by.to_owned(),
        ..RecurringRun::default()
    }
}

impl RecurringJobStatus {
    /// From now on this run is wanted.
    pub fn want(&mut self, run: RecurringRun) {
        self.run = Some(run);
        self.execution_count += 1;
    }
}

impl Controller for Recurring {
    const NAME: &'static str = "recurring-job";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        if self.running.lock().contains(name) {
            // It is looked at again when its run is over.
            return Ok(Next::Wait);
        }
        let Some(job) = self.context.store.find::<RecurringJob>(name).await? else { return Ok(Next::Wait) };
        match job.status.run {
            Some(_) => self.start(job).await,
            None => self.begin_when_due(&job).await,
        }
    }
}

/// A run that was begun.
struct Work {
    context: Context,
    clock: Clock,
    job: Object<RecurringJob>,
    run: RecurringRun,
}

impl Work {
    async fn run(self) {
        let name = self.job.name();
        let entry = Entry::begin(&self.context, name, &self.run).await;
        self.tell_beginning(&entry);
        let ended = if self.run.attempts > ATTEMPTS_MAXIMUM {
            let message = format!("given up: the manager ended in the middle of it {} times", self.run.attempts - 1);
            let next_step = "Look into the manager's log. The job runs again at its next time.".to_owned();
            Ended::Failed { message, next_step }
        } else {
            tokio::select! {
                ended = run::execute(&self.context, &self.job, &self.run, &entry) => ended,
                by = entry.cancelled() => Ended::Cancelled(by),
                () = self.job_is_gone() => Ended::Cancelled("the job's deletion".to_owned()),
            }
        };
        self.release_all().await;
        tracing::info!(
            job = name,
            outcome = ended.word(),
            message = ended.message(),
            "a run of a recurring job is over"
        );
        // The store first: what it calls running is begun again.
        self.note(&ended).await;
        entry.finish(ended).await;
    }

    fn tell_beginning(&self, entry: &Entry) {
        let (run, spec) = (&self.run, &self.job.spec);
        let by = if run.started_by.is_empty() { "at its time" } else { run.started_by.as_str() };
        if run.attempts > 1 {
            entry.log(Level::Warning, "a manager ended in the middle of this run; it goes on");
            return;
        }
        entry.log(Level::Info, format!("task {}, due {}, begun {by}", spec.task.word(), run.due));
        if run.missed > 0 {
            let count = if run.missed as usize + 1 >= COUNTED_MAXIMUM {
                "100 or more".to_owned()
            } else {
                run.missed.to_string()
            };
            let text = format!(
                "{count} earlier times had no run: no manager ran, or the run before was at work. This one stands for all"
            );
            entry.log(Level::Warning, text);
        }
    }

    /// Returns when the job was deleted; one of the same name that is made later is another.
    async fn job_is_gone(&self) {
        let mut watch = self.context.store.changes();
        loop {
            match self.context.store.find::<RecurringJob>(self.job.name()).await {
                Ok(Some(now)) if now.metadata.uid == self.job.metadata.uid => {}
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, "could not look whether a job is still there"),
            }
            let is_news =
                |event: &crate::store::RawEvent| event.deleted && event.object.metadata.name == self.job.name();
            loop {
                match watch.recv().await {
                    Ok(event) if !is_news(&event) => {}
                    Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => break,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }

    /// Also those whose part was cut off.
    async fn release_all(&self) {
        if let Err(error) = reach::release_all(&self.context.store, self.job.name()).await {
            tracing::warn!(job = self.job.name(), %error, "tickets of a run stay until the next start");
        }
    }

    async fn note(&self, ended: &Ended) {
        let over = RecurringRun {
            ended_at: self.clock.now().to_string(),
            outcome: ended.word().to_owned(),
            message: ended.message(),
            ..self.run.clone()
        };
        let change = |status: &mut RecurringJobStatus| {
            if status.run.as_ref().is_some_and(|run| run.id == over.id) {
                (status.run, status.last_run) = (None, Some(over.clone()));
            }
        };
        // Stored or not, the run is over. One that the store still calls running is begun again, which changes nothing.
        match self.context.store.modify_status::<RecurringJob>(self.job.name(), change).await {
            Err(StoreError::NotFound { .. }) | Ok(_) => {}
            Err(error) => tracing::warn!(job = self.job.name(), %error, "the end of a run could not be stored"),
        }
    }
}
