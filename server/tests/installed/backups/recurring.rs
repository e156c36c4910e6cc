//! Recurring backups: only of what is new, and no more of them than are kept.

use aurochs_server::resources::backup::{BackupMode, BackupState};
use aurochs_server::resources::{Backup, Object};
use serde_json::{Value, json};

use super::Target;
use crate::installation::{Installation, MIB};

const JOB: &str = "nightly";

impl Installation {
    /// The job's backups, the oldest first.
    async fn own_backups(&self) -> Vec<Object<Backup>> {
        let mut all = self.backups().await;
        all.retain(|backup| !backup.is_deleting() && backup.status.state == BackupState::Completed);
        all.sort_by_key(|backup| {
            (backup.status.snapshot_created_at.clone(), backup.metadata.creation_timestamp.clone())
        });
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_backs_up_what_is_new_and_keeps_the_newest() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    let body = json!({"name": JOB, "task": "backup", "cron": "0 0 29 2 *", "retain": 2, "concurrency": 1,
        "groups": ["default"], "labels": {}, "parameters": {"full-backup-interval": "3"}});
    installation.call("POST", "/v1/recurringjobs", body).await;
    let mut newest = Vec::new();
    for run in 1..=4_u8 {
        installation.write(u64::from(run) * 2 * MIB, MIB, run).await;
        installation.call("POST", &format!("/v1/recurringjobs/{JOB}?action=recurringJobRun"), Value::Null).await;
        let ended = installation.until_backup_run(u64::from(run)).await;
        assert_eq!(ended, "succeeded", "run {run}");
        let own = installation.own_backups().await;
        let last = own.last().unwrap();
        newest.push(last.name().to_owned());
        let mode = if run == 3 { BackupMode::Full } else { BackupMode::Incremental };
        assert_eq!((last.spec.backup_mode, last.status.labels["RecurringJob"].as_str()), (mode, JOB), "run {run}");
    }
    installation
        .until("the newest two stay", async |store| {
            let names: Vec<String> =
                store.list::<Backup>().await.unwrap().iter().map(|backup| backup.name().to_owned()).collect();
            let mut wanted = newest[2..].to_vec();
            wanted.sort();
            names == wanted
        })
        .await;
    assert_eq!(target.files(".cfg").len(), 3, "two backups and their volume: {:?}", target.files(".cfg"));

    // Nothing was written since.
    installation.call("POST", &format!("/v1/recurringjobs/{JOB}?action=recurringJobRun"), Value::Null).await;
    assert_eq!(installation.until_backup_run(5).await, "succeeded");
    let names: Vec<String> = installation.own_backups().await.iter().map(|one| one.name().to_owned()).collect();
    assert_eq!(names, newest[2..]);
    installation.stop().await;
}

impl Installation {
    async fn until_backup_run(&self, count: u64) -> String {
        use aurochs_server::resources::RecurringJob;
        self.until(&format!("{JOB} ran {count} times"), async |store| {
            let status = store.get::<RecurringJob>(JOB).await.unwrap().status;
            status.execution_count >= count && status.run.is_none()
        })
        .await;
        let last = self.store().get::<RecurringJob>(JOB).await.unwrap().status.last_run.unwrap();
        assert!(last.outcome == "succeeded", "{last:?}");
        last.outcome
    }
}
