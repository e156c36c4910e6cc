//! A run in the history of jobs.

use super::run::Ended;
use crate::controllers::Context;
use crate::jobs::{Cancel, Failure, JobHandle, JobKind, JobState, Level, NewJob, Outcome, StartedBy};
use crate::resources::RecurringJob;
use crate::resources::recurring_job::RecurringRun;
use crate::settings::Name;

const KEY: &str = "recurring-run/";

fn key(run: &RecurringRun) -> String {
    format!("{KEY}{}", run.id)
}

/// A run that is told of while it goes on.
pub struct Entry {
    context: Context,
    job: String,
    handle: JobHandle,
}

impl Entry {
    /// Begins it, or goes on with it after a restart.
    pub async fn begin(context: &Context, job: &str, run: &RecurringRun) -> Self {
        let started_by = match run.started_by.as_str() {
            "" => StartedBy::RecurringJob(job.to_owned()),
            user => StartedBy::User(user.to_owned()),
        };
        let new = NewJob {
            started_by,
            cancel: Cancel::Possible,
            key: Some(key(run)),
            ..NewJob::new(JobKind::RecurringRun, job, "")
        };
        let handle = context.jobs.begin(new).await;
        Self { context: context.clone(), job: job.to_owned(), handle }
    }

    pub fn log(&self, level: Level, text: impl Into<String>) {
        let (job, text) = (&self.job, text.into());
        match level {
            Level::Info => tracing::info!(job, "{text}"),
            Level::Warning | Level::Error => tracing::warn!(job, "{text}"),
        }
        self.handle.log(level, text);
    }

    /// Returns the user who wants it to end.
    pub async fn cancelled(&self) -> String {
        self.handle.cancelled().await
    }

    /// Ends it, and forgets what is more than is to be kept.
    pub async fn finish(self, ended: Ended) {
        let level = if matches!(ended, Ended::Succeeded(_)) { Level::Info } else { Level::Warning };
        self.log(level, ended.message());
        self.handle.finish(outcome(ended)).await;
        keep_enough(&self.context, &self.job).await;
    }
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Succeeded(_) => Outcome::Succeeded,
        Ended::Failed { message, next_step } => Outcome::Failed(Failure::new(message, next_step)),
        Ended::Cancelled(by) => Outcome::Cancelled(by),
    }
}

/// As many runs of a job as the settings say.
async fn keep_enough(context: &Context, job: &str) {
    const FAILED: &[JobState] = &[JobState::Failed, JobState::Cancelled, JobState::Interrupted];
    for (states, limit) in [
        (&[JobState::Succeeded][..], context.settings.number(Name::RecurringSuccessfulJobsHistoryLimit)),
        (FAILED, context.settings.number(Name::RecurringFailedJobsHistoryLimit)),
    ] {
        if let Err(error) = context.jobs.forget_beyond(JobKind::RecurringRun, job, states, limit).await {
            tracing::warn!(job, %error, "old runs stay in the history");
        }
    }
}

/// Ends in the history what is over by the store: a manager ended between the two.
pub async fn settle(context: &Context) {
    let running = context.jobs.running_keys(KEY);
    if running.is_empty() {
        return;
    }
    let jobs = context.store.list::<RecurringJob>().await.unwrap_or_default();
    for (job, run) in jobs.iter().filter_map(|job| Some((job, job.status.last_run.as_ref()?))) {
        if running.contains(&key(run)) {
            let entry = Entry::begin(context, job.name(), run).await;
            let ended = match run.outcome.as_str() {
                "succeeded" => Ended::Succeeded(run.message.clone()),
                "failed" => {
                    let next_step = "The log of this run says why.".to_owned();
                    Ended::Failed { message: run.message.clone(), next_step }
                }
                _ => Ended::Cancelled(run.message.trim_start_matches("cancelled by ").to_owned()),
            };
            entry.finish(ended).await;
        }
    }
}
