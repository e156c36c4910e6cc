//! Growing, salvaging and copying over REST: what is asked for is stored or refused with the reason.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{CloneState, Robustness, VolumeState};
use aurochs_server::resources::engine::EngineSpec;
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::{Engine, Object, Replica, Volume};
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Manager};

const GIB: u64 = 1 << 30;

fn assert_refused(answer: &Answer, status: StatusCode, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert!(body["message"].as_str().unwrap().contains(words), "{words}: {body}");
    assert!(!body["detail"].as_str().unwrap().is_empty(), "a next step: {body}");
}

/// A detached volume of 1 GiB with an engine, and a replica on the one node.
async fn with_volume() -> Manager {
    let manager = Manager::start().await;
    manager.add_node("node-1", 100 * GIB).await;
    manager.add_volume("data", VolumeState::Detached).await;
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    let spec = EngineSpec { volume_name: "data".into(), volume_size: ByteSize(GIB), ..EngineSpec::default() };
    manager.store().create(&Object::<Engine>::new("data-e-0", spec).owned_by_volume(&volume)).await.unwrap();
    let spec = ReplicaSpec {
        volume_name: "data".into(),
        volume_size: ByteSize(GIB),
        node_id: "node-1".into(),
        disk_id: "node-1-uuid".into(),
        disk_path: "/data/node-1".into(),
        ..ReplicaSpec::default()
    };
    manager.store().create(&Object::<Replica>::new("data-r-1", spec).owned_by_volume(&volume)).await.unwrap();
    manager
}

async fn act(manager: &Manager, action: &str, body: serde_json::Value) -> Answer {
    manager.post(&format!("/v1/volumes/data?action={action}"), body).await
}

#[tokio::test]
async fn expand_takes_what_has_room_and_cancel_takes_it_back() {
    let manager = with_volume().await;
    assert_refused(&act(&manager, "cancelExpansion", json!({})).await, StatusCode::CONFLICT, "no expansion to cancel");
    let smaller = act(&manager, "expand", json!({"size": "512Mi"})).await;
    let text = "volume data can't be expanded to 512 MiB: it has 1 GiB already and never shrinks";
    assert_refused(&smaller, StatusCode::UNPROCESSABLE_ENTITY, text);
    // Its own size, also one that is rounded up to it.
    for size in [GIB, GIB - 1] {
        let same = act(&manager, "expand", json!({"size": size})).await;
        assert_eq!((same.status, same.json()["size"].clone()), (StatusCode::OK, json!(GIB.to_string())));
    }
    let text = "failed to schedule 322122547200 more bytes to disk disk-1 on node-1";
    assert_refused(&act(&manager, "expand", json!({"size": "301Gi"})).await, StatusCode::UNPROCESSABLE_ENTITY, text);
    assert_refused(&act(&manager, "expand", json!({})).await, StatusCode::UNPROCESSABLE_ENTITY, "size is empty");

    let grown = act(&manager, "expand", json!({"size": 2 * GIB + 1})).await;
    assert_eq!(grown.json()["size"], (2 * GIB + (2 << 20)).to_string(), "rounded up to 2 MiB: {grown:?}");
    let cancelled = act(&manager, "cancelExpansion", json!({})).await;
    assert_eq!(cancelled.json()["size"], GIB.to_string(), "{cancelled:?}");

    act(&manager, "expand", json!({"size": "2Gi"})).await;
    let growing = |status: &mut aurochs_server::resources::engine::EngineStatus| status.is_expanding = true;
    manager.store().modify_status::<Engine>("data-e-0", growing).await.unwrap();
    assert_refused(&act(&manager, "cancelExpansion", json!({})).await, StatusCode::CONFLICT, "growing right now");
}

#[tokio::test]
async fn a_limit_of_snapshots_grows_with_the_volume() {
    let manager = with_volume().await;
    let limit = |volume: &mut Object<Volume>| volume.spec.snapshot_max_size = ByteSize(2 * GIB);
    manager.store().modify::<Volume>("data", limit).await.unwrap();
    act(&manager, "expand", json!({"size": "3Gi"})).await;
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    assert_eq!(volume.spec.snapshot_max_size, ByteSize(6 * GIB));
}

#[tokio::test]
async fn salvage_is_ordered_once_for_a_faulted_volume_and_its_own_replicas() {
    let manager = with_volume().await;
    let named = |name: &str| json!({"names": [name]});
    assert_refused(&act(&manager, "salvage", named("data-r-1")).await, StatusCode::CONFLICT, "not faulted");
    let fault = |status: &mut aurochs_server::resources::volume::VolumeStatus| status.robustness = Robustness::Faulted;
    manager.store().modify_status::<Volume>("data", fault).await.unwrap();
    assert_refused(&act(&manager, "salvage", json!({})).await, StatusCode::UNPROCESSABLE_ENTITY, "names is empty");
    let other = act(&manager, "salvage", named("other-r-1")).await;
    assert_refused(&other, StatusCode::UNPROCESSABLE_ENTITY, "no replica named");
    let off = |node: &mut Object<aurochs_server::resources::Node>| {
        node.spec.disks.values_mut().for_each(|disk| disk.allow_scheduling = false);
    };
    manager.store().modify("node-1", off).await.unwrap();
    let refused = act(&manager, "salvage", named("data-r-1")).await;
    assert_refused(&refused, StatusCode::CONFLICT, "scheduling is switched off for disk disk-1");
    let on = |node: &mut Object<aurochs_server::resources::Node>| {
        node.spec.disks.values_mut().for_each(|disk| disk.allow_scheduling = true);
    };
    manager.store().modify("node-1", on).await.unwrap();
    assert_eq!(act(&manager, "salvage", named("data-r-1")).await.status, StatusCode::OK);
    let engine = manager.store().get::<Engine>("data-e-0").await.unwrap();
    let order = engine.pending_salvage().unwrap();
    assert_eq!(
        (order.number, order.replicas.as_slice(), order.record_generation),
        (1, ["data-r-1".to_owned()].as_slice(), None)
    );
}

#[tokio::test]
async fn a_copy_in_the_making_is_not_attached_and_its_source_not_deleted() {
    let manager = with_volume().await;
    let body = json!({"name": "copy", "size": "1Gi", "dataSource": "vol://data"});
    assert_eq!(manager.post("/v1/volumes", body).await.status, StatusCode::OK);
    let attach = json!({"hostId": "node-1"});
    let refused = manager.post("/v1/volumes/copy?action=attach", attach.clone()).await;
    assert_refused(&refused, StatusCode::CONFLICT, "in the making");
    let refused = manager.call("DELETE", "/v1/volumes/data", "").await;
    assert_refused(&refused, StatusCode::CONFLICT, "volume copy is still being copied from it");
    let done = |status: &mut aurochs_server::resources::volume::VolumeStatus| {
        status.clone_status.state = CloneState::Completed;
    };
    manager.store().modify_status::<Volume>("copy", done).await.unwrap();
    assert_eq!(manager.post("/v1/volumes/copy?action=attach", attach).await.status, StatusCode::OK);
    assert_eq!(manager.call("DELETE", "/v1/volumes/data", "").await.status, StatusCode::OK);
}
