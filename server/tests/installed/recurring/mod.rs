//! Recurring jobs on a real engine: two weeks on a simulated clock, once a minute on the system's, managers that end in
//! the middle of a run (killed ones: `tests/crashes/recurring.rs`), several volumes at once, and each task for real.

mod at_once;
mod cleanup;
mod ended_within;
mod every_minute;
mod new_data;
mod trim;
mod two_weeks;

use aurochs_server::jobs::{Filter, JobKind, Page, Seen};
use aurochs_server::recurring::retain::is_own;
use aurochs_server::resources::recurring_job::RecurringRun;
use aurochs_server::resources::{Object, RecurringJob, Snapshot};
use serde_json::{Value, json};

use crate::installation::Installation;

impl Installation {
    async fn add_job(&self, name: &str, task: &str, cron: &str, retain: u32, concurrency: u32) {
        let body = json!({"name": name, "task": task, "cron": cron, "retain": retain, "concurrency": concurrency,
            "groups": ["default"], "labels": {"made-for": "a-test"}});
        self.call("POST", "/v1/recurringjobs", body).await;
        self.until("the job is followed", async |store| {
            store.find::<RecurringJob>(name).await.unwrap().is_some_and(|job| job.status.followed.is_some())
        })
        .await;
    }

    async fn run_now(&self, job: &str) {
        self.call("POST", &format!("/v1/recurringjobs/{job}?action=recurringJobRun"), Value::Null).await;
    }

    /// Waits for the end of the job's run number `count`, and answers with it.
    async fn until_run(&self, job: &str, count: u64) -> RecurringRun {
        self.until(&format!("{job} ran {count} times"), async |store| {
            store.find::<RecurringJob>(job).await.unwrap().is_some_and(|job| {
                let status = &job.status;
                status.execution_count >= count && status.run.is_none()
            })
        })
        .await;
        let job: Object<RecurringJob> = self.store().get(job).await.unwrap();
        assert_eq!(job.status.execution_count, count, "no other runs");
        job.status.last_run.unwrap()
    }

    /// The job's snapshots that stay, the oldest first.
    async fn own_snapshots(&self, job: &str) -> Vec<String> {
        let mut known = self.snapshots().await;
        known.retain(|snapshot| is_own(snapshot, job) && !snapshot.is_deleting());
        in_order(&known)
    }

    async fn runs_in_history(&self, job: &str) -> Vec<Seen> {
        let filter = Filter { object: Some(job.into()), kinds: vec![JobKind::RecurringRun], ..Filter::default() };
        let jobs = self.history();
        let mut found = Vec::new();
        self.until("the history says that the runs are over", async |_| {
            found = jobs.list(&filter, Page { limit: 1000, before: None }).await.unwrap();
            !found.iter().any(|seen| seen.record.is_running())
        })
        .await;
        found
    }

    async fn log_of(&self, run: &Seen) -> String {
        let lines = self.history().log_of(run.record.id).await.unwrap();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }
}

/// From the root to the head.
fn in_order(known: &[Object<Snapshot>]) -> Vec<String> {
    let depth = |snapshot: &Object<Snapshot>| {
        let parent =
            |name: &String| known.iter().find(|other| other.name() == name).map(|other| other.status.parent.clone());
        std::iter::successors(Some(snapshot.status.parent.clone()), parent).take(300).count()
    };
    let mut sorted: Vec<&Object<Snapshot>> = known.iter().collect();
    sorted.sort_by_key(|snapshot| (snapshot.status.creation_time.clone(), depth(snapshot)));
    sorted.into_iter().map(|snapshot| snapshot.name().to_owned()).collect()
}
