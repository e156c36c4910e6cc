//! Actions of a volume that store a wish, and its recurring jobs.

use aurochs_api::volume::VolumeState;
use aurochs_server::resources::Volume;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, Manager};

async fn with_volume(state: VolumeState) -> Manager {
    let manager = Manager::start().await;
    manager.add_node("node-1", 100 << 30).await;
    manager.add_volume("data", state).await;
    manager
}

async fn act(manager: &Manager, action: &str, body: Value) -> Answer {
    manager.post(&format!("/v1/volumes/data?action={action}"), body).await
}

fn assert_refused(answer: &Answer, status: StatusCode, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert!(body["message"].as_str().unwrap().contains(words), "{words}: {body}");
    assert!(!body["detail"].as_str().unwrap().is_empty(), "a next step: {body}");
}

/// Action, field, a good value, a bad one.
fn wishes() -> Vec<(&'static str, &'static str, Value, Value)> {
    vec![
        ("offlineReplicaRebuilding", "offlineRebuilding", json!("enabled"), json!("maybe")),
        ("updateReplicaAutoBalance", "replicaAutoBalance", json!("least-effort"), json!("enabled")),
        ("updateDataLocality", "dataLocality", json!("best-effort"), json!("near")),
        ("updateSnapshotDataIntegrity", "snapshotDataIntegrity", json!("fast-check"), json!("slow")),
        ("updateSnapshotMaxCount", "snapshotMaxCount", json!(2), json!(1)),
        ("updateSnapshotMaxSize", "snapshotMaxSize", json!("2147483648"), json!("1Gi")),
        ("updateRebuildConcurrentSyncLimit", "rebuildConcurrentSyncLimit", json!(5), json!(6)),
        ("updateBackupCompressionMethod", "backupCompressionMethod", json!("gzip"), json!("zip")),
        ("updateUnmapMarkSnapChainRemoved", "unmapMarkSnapChainRemoved", json!("enabled"), json!("true")),
        ("updateReplicaSoftAntiAffinity", "replicaSoftAntiAffinity", json!("enabled"), json!("true")),
        ("updateReplicaZoneSoftAntiAffinity", "replicaZoneSoftAntiAffinity", json!("disabled"), json!("true")),
        ("updateReplicaDiskSoftAntiAffinity", "replicaDiskSoftAntiAffinity", json!("disabled"), json!("true")),
        ("updateFreezeFilesystemForSnapshot", "freezeFilesystemForSnapshot", json!("enabled"), json!("yes")),
        ("updateBackupTargetName", "backupTargetName", json!("default"), json!("elsewhere")),
    ]
}

#[tokio::test]
async fn wishes_are_stored_and_shown() {
    let manager = with_volume(VolumeState::Attached).await;
    for (action, field, good, bad) in wishes() {
        let answer = act(&manager, action, json!({ field: good })).await;
        assert_eq!((answer.status, &answer.json()[field]), (StatusCode::OK, &good), "{action}: {answer:?}");
        for body in [json!({ field: bad }), json!({})] {
            let refused = act(&manager, action, body).await;
            assert_refused(&refused, StatusCode::UNPROCESSABLE_ENTITY, field_or_target(field));
        }
        let kept = manager.get("/v1/volumes/data").await.json();
        assert_eq!(kept[field], good, "{action}: a refused wish changes nothing");
    }
}

/// A missing target is named by what it is.
fn field_or_target(field: &str) -> &str {
    if field == "backupTargetName" { "ackup" } else { field }
}

#[tokio::test]
async fn every_wish_of_a_volume_that_goes_away_is_refused() {
    let manager = with_volume(VolumeState::Detached).await;
    manager.store().delete::<Volume>("data").await.unwrap();
    for (action, field, good, _) in wishes() {
        assert_refused(&act(&manager, action, json!({ field: good })).await, StatusCode::CONFLICT, "being deleted");
    }
    let missing = manager.post("/v1/volumes/none?action=updateDataLocality", json!({"dataLocality": "disabled"})).await;
    assert_refused(&missing, StatusCode::NOT_FOUND, "none");
}

#[tokio::test]
async fn the_bandwidth_of_rebuilds_is_a_text_in_the_body_and_a_number_in_the_volume() {
    let manager = with_volume(VolumeState::Attached).await;
    let field = "replicaRebuildingBandwidthLimit";
    let answer = act(&manager, "updateReplicaRebuildingBandwidthLimit", json!({ field: "100" })).await;
    assert_eq!(answer.json()[field], 100);
    let refused = act(&manager, "updateReplicaRebuildingBandwidthLimit", json!({ field: "100Mi" })).await;
    assert_refused(&refused, StatusCode::UNPROCESSABLE_ENTITY, "megabytes");
}

#[tokio::test]
async fn strict_local_takes_one_replica_and_a_detached_volume() {
    let manager = with_volume(VolumeState::Detached).await;
    let strict = || act(&manager, "updateDataLocality", json!({"dataLocality": "strict-local"}));
    assert_refused(&strict().await, StatusCode::UNPROCESSABLE_ENTITY, "one replica, not 3");
    let count = |count: u32| act(&manager, "updateReplicaCount", json!({"replicaCount": count}));
    assert_eq!(count(1).await.status, StatusCode::OK);
    assert_eq!(strict().await.json()["dataLocality"], "strict-local");
    assert_refused(&count(2).await, StatusCode::UNPROCESSABLE_ENTITY, "one replica");
    manager.store().modify_status::<Volume>("data", |status| status.state = VolumeState::Attached).await.unwrap();
    let loose = act(&manager, "updateDataLocality", json!({"dataLocality": "disabled"})).await;
    assert_refused(&loose, StatusCode::CONFLICT, "detached");
}

#[tokio::test]
async fn the_access_mode_changes_while_detached_and_a_shared_volume_is_not_attached_yet() {
    let manager = with_volume(VolumeState::Attached).await;
    let shared = || act(&manager, "updateAccessMode", json!({"accessMode": "rwx"}));
    assert_refused(&shared().await, StatusCode::CONFLICT, "detached");
    manager.store().modify_status::<Volume>("data", |status| status.state = VolumeState::Detached).await.unwrap();
    assert_eq!(shared().await.json()["accessMode"], "rwx");
    let attach = act(&manager, "attach", json!({"hostId": "node-1"})).await;
    assert_refused(&attach, StatusCode::UNPROCESSABLE_ENTITY, "ReadWriteMany");
}

#[tokio::test]
async fn what_is_missing_is_named_and_what_needs_nothing_is_done() {
    let manager = with_volume(VolumeState::Detached).await;
    for (action, body, words) in [
        ("activate", json!({"frontend": "ublk"}), "can't be activated"),
        ("pvCreate", json!({"pvName": "data"}), "Kubernetes"),
        ("pvcCreate", json!({"namespace": "a", "pvcName": "b"}), "Kubernetes"),
        ("engineUpgrade", json!({"image": "another:v2"}), "live engine upgrade"),
        ("updateUblkQueueDepth", json!({"ublkQueueDepth": 32}), "v2 data engine"),
        ("updateUblkNumberOfQueue", json!({"ublkNumberOfQueue": 1}), "v2 data engine"),
    ] {
        assert_refused(&act(&manager, action, body).await, StatusCode::UNPROCESSABLE_ENTITY, words);
    }
    let words = "has no address";
    assert_refused(&act(&manager, "snapshotBackup", json!({"name": "s"})).await, StatusCode::CONFLICT, words);
    let words = "no standby volume";
    assert_refused(&act(&manager, "activate", json!({"frontend": "nbd"})).await, StatusCode::CONFLICT, words);
    for action in ["updateUblkQueueDepth", "updateUblkNumberOfQueue"] {
        assert_eq!(act(&manager, action, json!({})).await.status, StatusCode::OK, "0 says nothing");
    }
    manager.store().modify::<Volume>("data", |volume| volume.spec.image = "same:v1".to_owned()).await.unwrap();
    assert_eq!(act(&manager, "engineUpgrade", json!({"image": "same:v1"})).await.json()["image"], "same:v1");
    assert_eq!(act(&manager, "jobList", json!({})).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

// === recurring jobs ===

fn jobs(answer: &Answer) -> Vec<(String, bool)> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let list = answer.json();
    assert_eq!(list["resourceType"], "volumeRecurringJob");
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["isGroup"].as_bool().unwrap())).collect()
}

fn named(jobs: &[(&str, bool)]) -> Vec<(String, bool)> {
    jobs.iter().map(|&(name, is_group)| (name.to_owned(), is_group)).collect()
}

#[tokio::test]
async fn jobs_and_groups_come_and_go() {
    let manager = with_volume(VolumeState::Detached).await;
    let list = || act(&manager, "recurringJobList", json!({}));
    assert_eq!(jobs(&list().await), named(&[("default", true)]), "every volume takes part in something");
    for _ in 0..2 {
        let added = act(&manager, "recurringJobAdd", json!({"name": "nightly", "isGroup": false})).await;
        assert_eq!(jobs(&added), named(&[("nightly", false), ("default", true)]), "twice is as good as once");
    }
    act(&manager, "recurringJobAdd", json!({"name": "gold", "isGroup": true})).await;
    let left = act(&manager, "recurringJobDelete", json!({"name": "default", "isGroup": true})).await;
    assert_eq!(jobs(&left), named(&[("nightly", false), ("gold", true)]));
    let shown = manager.get("/v1/volumes/data").await.json();
    let wanted = json!([{"name": "nightly", "isGroup": false}, {"name": "gold", "isGroup": true}]);
    assert_eq!(shown["recurringJobSelector"], wanted);
    act(&manager, "recurringJobDelete", json!({"name": "nightly"})).await;
    let last = act(&manager, "recurringJobDelete", json!({"name": "gold", "isGroup": true})).await;
    assert_eq!(jobs(&last), named(&[("default", true)]), "the default group takes who has no other");
    let unknown = act(&manager, "recurringJobDelete", json!({"name": "never-there"})).await;
    assert_eq!(unknown.status, StatusCode::OK);
    let bad = act(&manager, "recurringJobAdd", json!({"name": "a/b"})).await;
    assert_refused(&bad, StatusCode::UNPROCESSABLE_ENTITY, "\"a/b\"");
}

#[tokio::test]
async fn a_new_volume_takes_part_in_the_jobs_that_it_names() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 100 << 30).await;
    let selector = json!([{"name": "nightly", "isGroup": false}]);
    let body = json!({"name": "data", "size": "1Gi", "recurringJobSelector": selector});
    assert_eq!(manager.post("/v1/volumes", body).await.json()["recurringJobSelector"], selector);
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    assert_eq!(volume.metadata.labels["recurring-job.longhorn.io/nightly"], "enabled");
    assert_eq!(volume.metadata.labels["backup-target"], "default");
    let many: Vec<Value> = (0..101).map(|number| json!({"name": format!("job-{number}")})).collect();
    let refused = manager.post("/v1/volumes", json!({"name": "b", "size": "1Gi", "recurringJobSelector": many})).await;
    assert_refused(&refused, StatusCode::UNPROCESSABLE_ENTITY, "at most 100");
}

#[tokio::test]
async fn a_copy_names_a_source_that_is_there_and_fits() {
    let manager = with_volume(VolumeState::Detached).await;
    let make = |source: &str, size: &str| {
        manager.post("/v1/volumes", json!({"name": "copy", "size": size, "dataSource": source}))
    };
    assert_refused(&make("vol://none", "1Gi").await, StatusCode::UNPROCESSABLE_ENTITY, "no volume none");
    assert_refused(&make("vol://data", "512Mi").await, StatusCode::UNPROCESSABLE_ENTITY, "can't have 512 MiB");
    assert_refused(&make("data", "1Gi").await, StatusCode::UNPROCESSABLE_ENTITY, "neither a volume nor a snapshot");
    let copy = make("snap://data/s1", "1Gi").await.json();
    assert_eq!((&copy["dataSource"], &copy["cloneMode"]), (&json!("snap://data/s1"), &json!("full-copy")));
    assert_eq!(copy["ready"], false, "it is ready when it is copied");
}

#[tokio::test]
async fn rows_inside_a_volume_have_an_empty_header() {
    let manager = with_volume(VolumeState::Detached).await;
    let volume = manager.get("/v1/volumes/data").await.json();
    let attachment = volume["volumeAttachment"].as_object().unwrap();
    assert!(attachment["links"].is_null() && attachment["actions"].is_null(), "{attachment:?}");
    assert!(!attachment.contains_key("type"));
    for condition in ["Scheduled", "Restore", "TooManySnapshots", "OfflineRebuilding", "WaitForBackingImage"] {
        assert_eq!(volume["conditions"][condition]["type"], condition);
    }
}
