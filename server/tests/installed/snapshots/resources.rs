//! Resources that ask for snapshots, and how they go.

use aurochs_engine::grpc::engine_v1::SnapshotCreateRequest;
use aurochs_server::resources::snapshot::{LABEL_TAKEN_FOR, SnapshotSpec};
use aurochs_server::resources::{Object, Snapshot, Volume};
use axum::http::StatusCode;
use serde_json::json;

use crate::installation::{Installation, MIB, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_volume_is_attached_for_its_snapshots_and_let_go() {
    let mut installation = Installation::with_volume(2, "nbd").await;
    let asked = installation.act("snapshotCRCreate", json!({"name": "s1", "labels": {"app": "db"}})).await;
    assert_eq!(
        (&asked["type"], &asked["createSnapshot"], &asked["readyToUse"]),
        (&json!("snapshotCR"), &json!(true), &json!(false))
    );
    // The manager ends before anything was done, and another one goes on.
    installation.start_manager(2).await;
    let taken = installation.until_ready("s1").await;
    assert!(taken.status.user_created && !taken.status.creation_time.is_empty(), "{taken:?}");
    assert_eq!(taken.status.labels, [("app".to_owned(), "db".to_owned())].into());
    installation.until_no_ticket_of_ours().await;
    installation.until_state("detached").await;

    // Deleted while detached: it is below the head and stays, marked, with the reason; the volume is let go.
    installation.act("snapshotCRDelete", json!({"name": "s1"})).await;
    installation.start_manager(2).await;
    let stays = installation
        .until_snapshot("s1", "says why it stays", |snapshot| snapshot.status.error.contains("below the head"))
        .await;
    assert!(stays.status.mark_removed && !stays.status.ready_to_use, "{stays:?}");
    installation.until_no_ticket_of_ours().await;
    installation.until_state("detached").await;

    // Another snapshot comes to stand between: the first one goes.
    installation.act("snapshotCRCreate", json!({"name": "s2"})).await;
    installation.until_gone("s1").await;
    installation.until_ready("s2").await;
    installation.until_no_ticket_of_ours().await;
    installation.until_state("detached").await;
    assert_eq!(installation.act("snapshotCRDelete", json!({"name": "gone"})).await["type"], "empty");
    installation.stop().await;
}

/// The manager dies between the engine's answer and the store.
#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_is_taken_twice() {
    let mut installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    let mut engine = installation.engine_client().await;
    installation.stop_manager().await;
    let store = installation.stored().await;
    // What the manager had done: the resource stored, the engine asked.
    let volume = store.get::<Volume>(VOLUME).await.unwrap();
    let spec = SnapshotSpec { volume: VOLUME.into(), create_snapshot: true, ..SnapshotSpec::default() };
    let asking = store.create(&Object::<Snapshot>::new("once", spec).owned_by_volume(&volume)).await.unwrap();
    let labels = [(LABEL_TAKEN_FOR.to_owned(), asking.metadata.uid.clone())].into();
    let request =
        SnapshotCreateRequest { name: "once".into(), labels, user_created: true, ..SnapshotCreateRequest::default() };
    let taken = engine.snapshot_create(request).await.unwrap().into_inner();
    // And one that somebody took meanwhile, under a name that a resource asks for.
    let spec = SnapshotSpec { volume: VOLUME.into(), create_snapshot: true, ..SnapshotSpec::default() };
    store.create(&Object::<Snapshot>::new("theirs", spec).owned_by_volume(&volume)).await.unwrap();
    let request =
        SnapshotCreateRequest { name: "theirs".into(), user_created: true, ..SnapshotCreateRequest::default() };
    engine.snapshot_create(request).await.unwrap();
    drop(store);

    installation.start_manager(1).await;
    let found = installation.until_ready("once").await;
    assert_eq!((found.status.creation_time, found.metadata.uid), (taken.created, asking.metadata.uid));
    let theirs =
        installation.until_snapshot("theirs", "is refused", |snapshot| !snapshot.status.error.is_empty()).await;
    assert!(theirs.status.error.contains("another snapshot named"), "{theirs:?}");
    installation.until_ready(&format!("{VOLUME}.theirs")).await;
    assert_eq!(installation.layers().await.len(), 2, "{:?}", installation.layers().await);

    // The resource that never got its snapshot goes without touching the other's.
    installation.act("snapshotCRDelete", json!({"name": "theirs"})).await;
    installation.until_gone("theirs").await;
    assert!(installation.layers().await.iter().all(|layer| !layer.removed));
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_for_resources_and_is_told() {
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.act("updateSnapshotMaxCount", json!({"snapshotMaxCount": 2})).await;
    for name in ["s1", "s2"] {
        installation.act("snapshotCRCreate", json!({"name": name})).await;
        installation.until_ready(name).await;
    }
    let told = |volume: &serde_json::Value| {
        let mut causes = volume["causes"].as_array().into_iter().flatten();
        volume["conditions"]["TooManySnapshots"]["status"] == "True"
            && causes.any(|cause| cause["code"] == "snapshot-limit")
    };
    installation.until_shown("it has too many snapshots", told).await;
    let (status, words) = installation.refused("snapshotCRCreate", json!({"name": "s3"})).await;
    assert!(status == StatusCode::CONFLICT && words.contains("may have 2"), "{words}");
    let engine = installation.engine().await;
    assert_eq!((engine.status.snapshot_max_count, engine.spec.snapshot_max_count), (2, 2), "the engine runs with it");
    let (_, words) = installation.refused("snapshotCreate", json!({"name": "s3"})).await;
    assert!(words.contains('2'), "{words}");

    // One that Kubernetes took anyway waits for its place.
    let store = installation.store();
    let volume = store.get::<Volume>(VOLUME).await.unwrap();
    let spec = SnapshotSpec { volume: VOLUME.into(), create_snapshot: true, ..SnapshotSpec::default() };
    store.create(&Object::<Snapshot>::new("s3", spec).owned_by_volume(&volume)).await.unwrap();
    installation.until_snapshot("s3", "waits", |snapshot| snapshot.status.error.contains("may have 2")).await;
    installation.act("snapshotCRDelete", json!({"name": "s1"})).await;
    installation.until_ready("s3").await;
    installation.until_gone("s1").await;
    installation.stop().await;
}

/// W43: the snapshot tree of a volume.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_snapshots_is_built_shown_and_pruned() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set("auto-cleanup-system-generated-snapshot", "false").await;
    installation.set("disable-snapshot-purge", "true").await;
    for (at, name) in ["first", "second", "third"].into_iter().enumerate() {
        installation.write(at as u64 * MIB, MIB, 1).await;
        installation.act("snapshotCreate", json!({"name": name, "labels": {"step": name}})).await;
    }
    let list = installation.act("snapshotList", json!({})).await;
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["volume-head", "third", "second", "first"]);
    let second = installation.act("snapshotGet", json!({"name": "second"})).await;
    assert_eq!((&second["parent"], &second["labels"]), (&json!("first"), &json!({"step": "second"})));
    assert!(second["size"].as_str().unwrap().parse::<u64>().unwrap() >= MIB, "{second}");

    // Back to the first one: the head grows there, and the others become a branch.
    installation.detach_by_api().await;
    installation.attach_by_api(true).await;
    installation.act("snapshotRevert", json!({"name": "first"})).await;
    let first = installation.act("snapshotGet", json!({"name": "first"})).await;
    let children: Vec<_> = first["children"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(children, ["second", "volume-head"]);

    // Deleted where a branch hangs on it: marked, shown as removed, and kept.
    installation.act("snapshotDelete", json!({"name": "second"})).await;
    let list = installation.act("snapshotList", json!({})).await;
    let removed = |name: &str| {
        list["data"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["removed"].clone()
    };
    assert_eq!((removed("second"), removed("third")), (json!(true), json!(false)));
    let kept = installation
        .until_snapshot("second", "says that purges are off", |one| one.status.error.contains("disable-snapshot-purge"))
        .await;
    assert!(kept.is_deleting());
    let (status, words) = installation.refused("snapshotPurge", json!({})).await;
    assert!(status == StatusCode::CONFLICT && words.contains("disable-snapshot-purge"), "{words}");

    installation.set("disable-snapshot-purge", "false").await;
    installation.until_gone("second").await;
    let list = installation.act("snapshotCRList", json!({})).await;
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((list["resourceType"].clone(), names), (json!("snapshotCR"), vec!["first", "third"]));
    installation.until_snapshot("third", "has moved", |third| third.status.parent == "first").await;
    let third = installation.act("snapshotCRGet", json!({"name": "third"})).await;
    assert_eq!(
        (&third["parent"], &third["readyToUse"], &third["createSnapshot"]),
        (&json!("first"), &json!(true), &json!(false))
    );
    let (status, _) = installation.refused("snapshotCRGet", json!({"name": "none"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    installation.stop().await;
}
