//! The recurring task.

use aurochs_server::resources::system_backup::SystemBackupState;
use aurochs_server::resources::{RecurringJob, SystemBackup};
use serde_json::{Value, json};

use crate::backups::Target;
use crate::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_backs_the_system_up_and_keeps_the_newest() {
    let target = Target::new();
    let installation = Installation::start(1).await;
    let body = json!({"name": "system", "task": "system-backup", "cron": "0 0 29 2 *", "retain": 2, "concurrency": 1,
        "groups": [], "labels": {}, "parameters": {"volume-backup-policy": "disabled"}});
    installation.call("POST", "/v1/recurringjobs", body).await;
    let run = async |count: u64| {
        installation.call("POST", "/v1/recurringjobs/system?action=recurringJobRun", Value::Null).await;
        installation
            .until(&format!("it ran {count} times"), async |store| {
                let status = store.get::<RecurringJob>("system").await.unwrap().status;
                status.execution_count >= count && status.run.is_none()
            })
            .await;
        installation.store().get::<RecurringJob>("system").await.unwrap().status.last_run.unwrap()
    };
    let early = run(1).await;
    assert!(early.outcome == "failed" && early.message.contains("no address"), "{early:?}");
    installation.set_target(&target.url()).await;
    let mut made = Vec::new();
    for count in 2..=4 {
        let ended = run(count).await;
        assert_eq!(ended.outcome, "succeeded", "{ended:?}");
        let all = installation.store().list::<SystemBackup>().await.unwrap();
        let new = all.iter().find(|found| !made.contains(&found.name().to_owned()) && !found.is_deleting()).unwrap();
        assert!(new.name().starts_with("system-c-") && new.status.state == SystemBackupState::Ready, "{new:?}");
        assert_eq!(new.metadata.labels["recurring-job.longhorn.io/system-backup"], "system");
        made.push(new.name().to_owned());
    }
    installation
        .until("the newest two stay", async |store| {
            let all = store.list::<SystemBackup>().await.unwrap();
            let mut names: Vec<&str> = made[1..].iter().map(String::as_str).collect();
            names.sort_unstable();
            all.iter().map(aurochs_server::resources::Object::name).eq(names)
        })
        .await;
    assert_eq!(target.files("system-backup.zip").len(), 2);
    installation.stop().await;
}
