//! Backups with how far they are: jobs tell bytes once a second, resources more seldom.

use std::sync::Arc;

use aurochs_api::job::{Job, JobKind, JobState};
use serde_json::{Value, json};

use crate::live::Thing;

pub(crate) fn with_progress(backups: Vec<Thing>, jobs: &[Arc<Job>]) -> Vec<Thing> {
    let running = |name: &str| {
        jobs.iter().find(|job| job.kind == JobKind::Backup && job.state == JobState::Running && job.object == name)
    };
    let with = |backup: Thing| {
        let waits = matches!(backup.text("state"), "InProgress");
        match running(backup.text("name")).filter(|_| waits) {
            Some(job) => told(&backup, job),
            None => backup,
        }
    };
    backups.into_iter().map(with).collect()
}

fn told(backup: &Thing, job: &Job) -> Thing {
    let mut json = backup.json().clone();
    if let (Value::Object(fields), Some(planned)) = (&mut json, job.planned_bytes) {
        fields.insert("plannedBytes".to_owned(), json!(planned));
        fields.insert("doneBytes".to_owned(), json!(job.done_bytes));
    }
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_job_tells_its_backup_alone() {
        let job = Job {
            kind: JobKind::Backup,
            object: "b-1".into(),
            planned_bytes: Some(10),
            done_bytes: 4,
            ..Job::default()
        };
        let backup = |name: &str, state: &str| Thing::from(json!({"name": name, "state": state, "doneBytes": 0}));
        let before = vec![backup("b-1", "InProgress"), backup("b-2", "InProgress"), backup("b-1", "Completed")];
        let after = with_progress(before, &[Arc::new(job)]);
        let done: Vec<u64> = after.iter().map(|backup| backup.bytes("doneBytes").bytes()).collect();
        assert_eq!(done, [4, 0, 0]);
    }
}
