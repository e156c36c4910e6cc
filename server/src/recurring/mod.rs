//! Recurring jobs: what is done to volumes again and again, at the times that cron says.
//!
//! 1. [`plan`] — what a cron says, and on whose clock; [`moments`] — which moments that means, also where clocks change;
//! 2. [`due`] — when a job is to run, from what is stored of it;
//! 3. [`controller`] — begins a run, goes on with one after a restart, notes its end;
//! 4. [`run`] — a run: [`choice`] of the volumes, [`part`] for each: [`take`] a snapshot if there is [`new_data`], give up what
//!    is beyond [`retain`], [`purge`], trim, [`backup`]; [`system_backup`] is of no volume; [`reach`] for the engine, [`history`] for people;
//! 5. [`saved`] — a volume's jobs as its backups tell them.
//!
//! Invariants: a moment gets at most one run, and several missed ones get one; no two runs of a job at once; a run takes at
//! most one snapshot of a volume, however often managers end in the middle of it; what is given up is beyond the newest
//! `retain` of the job's own.

mod backup;
pub mod choice;
pub mod clock;
pub mod controller;
pub mod due;
pub mod history;
pub mod moments;
pub mod new_data;
pub mod part;
pub mod plan;
mod purge;
pub mod reach;
pub mod retain;
pub mod run;
pub mod saved;
mod system_backup;
mod take;
#[cfg(test)]
mod tests;
pub mod trouble;

use std::sync::Arc;

use tokio::task::JoinHandle;

use self::clock::Clock;
use self::controller::Recurring;
use crate::controllers::queue::WorkQueue;
use crate::controllers::{Context, runtime};
use crate::resources::RecurringJob;

/// Keys are names of jobs.
pub async fn start(context: &Context, clock: &Clock) -> Vec<JoinHandle<()>> {
    // Before any run begins: it would take back the new run's tickets.
    if let Err(error) = reach::sweep(&context.store).await {
        tracing::warn!(%error, "tickets that runs left could not be taken back");
    }
    history::settle(context).await;
    let queue = WorkQueue::default();
    let recurring = Recurring::new(context, clock.clone(), &queue);
    vec![
        runtime::feed_from_store::<RecurringJob>(&context.store, &queue, |job| vec![job.name().to_owned()]),
        feed_from_clock(context, clock, &queue),
        runtime::resync::<RecurringJob>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(recurring), queue),
    ]
}

/// A clock that somebody sets wakes up all jobs.
fn feed_from_clock(context: &Context, clock: &Clock, queue: &WorkQueue) -> JoinHandle<()> {
    let (store, mut clock, queue) = (context.store.clone(), clock.clone(), queue.clone());
    tokio::spawn(async move {
        loop {
            clock.set().await;
            match store.list::<RecurringJob>().await {
                Ok(jobs) => jobs.iter().for_each(|job| queue.add(job.name())),
                Err(error) => tracing::warn!(%error, "jobs could not be listed"),
            }
        }
    })
}
