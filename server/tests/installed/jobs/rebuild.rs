//! A rebuild, with another manager in the middle of it.

use serde_json::{Value, json};

use super::{bytes, log, phases};
use crate::installation::{Installation, MIB, SIZE};

const WRITTEN: u64 = 24 * MIB;

/// Attaches the volume, writes to it and has a replica rebuilt, slowly enough for somebody to look on; the job that does
/// it, on its way.
async fn begin(installation: &Installation) -> Value {
    installation.attach_by_api(false).await;
    installation.write(0, WRITTEN, 7).await;
    installation.set("replica-rebuilding-bandwidth-limit", "1").await;
    let gone = installation.replicas().await.remove(0);
    installation.act("replicaRemove", json!({"name": gone.name()})).await;
    let is_going = |job: &Value| job["state"] == "running" && job["doneBytes"].as_u64().unwrap() > 0;
    installation.until_job("kind=rebuild", "is on its way", is_going).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_one_job_also_when_the_manager_is_replaced_meanwhile() {
    let mut installation = Installation::with_volume(2, "nbd").await;
    let before = begin(&installation).await;
    assert!(bytes(&before, "doneBytes") < bytes(&before, "plannedBytes"), "{before}");
    assert_eq!((&before["volume"], &before["starter"]), (&json!("vol"), &json!("system")));
    assert!(!before["startedBy"].as_str().unwrap().is_empty() && !before["node"].as_str().unwrap().is_empty());
    let path = format!("/v1/jobs/{}?action=cancel", before["id"].as_str().unwrap());
    let (status, refused) = installation.answer("POST", &path, json!({})).await;
    assert!(status == 409 && refused["detail"].as_str().unwrap().contains("degraded"), "{status} {refused}");

    installation.start_manager(2).await;
    let further = |job: &Value| bytes(job, "doneBytes") > bytes(&before, "doneBytes");
    let after = installation.until_job("kind=rebuild", "has gone on", further).await;
    assert_eq!((&after["id"], &after["startedAt"]), (&before["id"], &before["startedAt"]));
    assert_eq!(after["state"], "running", "it was seen on its way by both managers: {after}");
    installation.set("replica-rebuilding-bandwidth-limit", "0").await;
    let ended = installation.until_job_ended("kind=rebuild").await;
    assert_eq!((&ended["id"], &ended["state"]), (&before["id"], &json!("succeeded")), "{ended}");
    let (planned, done) = (bytes(&ended, "plannedBytes"), bytes(&ended, "doneBytes"));
    assert!(planned == done && (WRITTEN..SIZE).contains(&done), "{planned} {done}");
    assert!(phases(&ended).contains(&"copying"), "{ended}");
    let source = installation.replicas().await.into_iter().find(|one| one.name() != ended["object"]).unwrap();
    assert!(log(&ended).contains(&format!("copied from {}", source.name())), "{ended}");
    assert_eq!(installation.jobs("kind=rebuild").await.len(), 1);
    installation.stop().await;
}

/// Nobody goes on with a rebuild whose engine is gone; the one that follows is another job.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_whose_engine_ends_is_interrupted() {
    let installation = Installation::with_volume(2, "nbd").await;
    let first = begin(&installation).await;
    let engine = installation.engine().await.name().to_owned();
    installation.kill(&engine).await;
    let id = first["id"].as_str().unwrap();
    let interrupted = async |_: &_| {
        let job = installation.call("GET", &format!("/v1/jobs/{id}"), Value::Null).await;
        job["state"] == "interrupted" && log(&job).contains("engine ended")
    };
    installation.until("the job is interrupted", interrupted).await;
    installation.set("replica-rebuilding-bandwidth-limit", "0").await;
    let second = installation.until_job("kind=rebuild&state=succeeded", "came after it", |_| true).await;
    assert_ne!(second["id"], first["id"]);
    installation.stop().await;
}
