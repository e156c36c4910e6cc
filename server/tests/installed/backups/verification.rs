//! Whether a backup could be restored: read, told by a job, cancelled, and found damaged.

use aurochs_server::jobs::{JobId, JobState, Record};
use axum::http::StatusCode;
use serde_json::json;

use super::Target;
use crate::installation::{Installation, MIB};

impl Installation {
    async fn verify(&self, backup: &str, sample: u64) -> Record {
        let path = format!("/v1/backupvolumes/{}?action=backupVerify", self.backup_volume().await.name());
        let job = self.call("POST", &path, json!({"name": backup, "sample": sample})).await;
        assert_eq!((&job["type"], &job["kind"], &job["object"]), (&json!("job"), &json!("check"), &json!(backup)));
        let id: JobId = job["id"].as_str().unwrap().parse().unwrap();
        let jobs = self.history();
        self.until("it is verified", async |_| !jobs.find(id).await.unwrap().unwrap().record.is_running()).await;
        jobs.find(id).await.unwrap().unwrap().record
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_read_and_damage_is_found() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 4 * MIB, 1).await;
    installation.write(4 * MIB, 2 * MIB, 2).await;
    let made = installation.back_up("one").await;
    let good = installation.verify(made.name(), 0).await;
    assert_eq!((good.state(), good.planned_bytes, good.done_bytes), (JobState::Succeeded, Some(4 * MIB), 4 * MIB));
    assert_eq!(installation.verify(made.name(), 1).await.planned_bytes, Some(2 * MIB));

    let blocks = target.files(".blk");
    assert_eq!(blocks.len(), 2, "two different ones");
    std::fs::write(&blocks[0], "damaged").unwrap();
    let bad = installation.verify(made.name(), 0).await;
    assert_eq!(bad.state(), JobState::Failed);
    let events = installation.events().await;
    let told = "1 of 2 blocks of backup";
    assert!(events.iter().any(|event| event.to_string().contains(told)), "{events:?}");
    std::fs::remove_file(&blocks[1]).unwrap();
    assert_eq!(installation.verify(made.name(), 0).await.state(), JobState::Failed);

    let path = format!("/v1/backupvolumes/{}?action=backupVerify", installation.backup_volume().await.name());
    let (status, answer) = installation.answer("POST", &path, json!({"name": "none"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    installation.stop().await;
}
