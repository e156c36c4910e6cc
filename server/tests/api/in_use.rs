//! What is in use is not taken away, whoever says so in whatever words; and an engine stays within reach.

use aurochs_api::volume::VolumeState;
use aurochs_engine::grpc::engine_v1::{EngineStatus, Snapshot};
use aurochs_server::resources::volume_attachment::{AttacherType, AttachmentTicket, VolumeAttachmentSpec};
use aurochs_server::resources::{Object, VolumeAttachment};
use axum::http::StatusCode;
use serde_json::json;
use tonic::Status;

use crate::engine;
use crate::harness::{Answer, Manager};

async fn with_node() -> Manager {
    let manager = Manager::start().await;
    manager.add_node("node-1", 100 << 30).await;
    manager
}

/// Attaches the volume `data`; by its ticket only the manager itself works on it.
async fn attach(manager: &Manager, told: Result<EngineStatus, Status>) {
    engine::attach_telling(manager, false, told).await;
    let ticket = AttachmentTicket {
        id: "rebuild".to_owned(),
        kind: AttacherType::VolumeRebuildingController,
        node_id: "node-1".to_owned(),
        ..AttachmentTicket::default()
    };
    let attachment_tickets = [(ticket.id.clone(), ticket)].into();
    let spec = VolumeAttachmentSpec { volume: "data".to_owned(), attachment_tickets };
    manager.store().create(&Object::<VolumeAttachment>::new("data", spec)).await.unwrap();
}

fn assert_conflict(answer: &Answer, words: &str) {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.json()["message"].as_str().unwrap().contains(words), "{words}: {answer:?}");
}

#[tokio::test]
async fn a_mounted_volume_is_neither_detached_nor_deleted() {
    let manager = with_node().await;
    let mounted = EngineStatus { mounted_at: vec!["/mnt/data".to_owned()], ..EngineStatus::default() };
    attach(&manager, Ok(mounted)).await;
    assert_conflict(&manager.call("DELETE", "/v1/volumes/data", "").await, "mounted at /mnt/data");
    assert_conflict(&manager.post("/v1/volumes/data?action=detach", json!({})).await, "mounted at /mnt/data");
    let forced = manager.post("/v1/volumes/data?action=detach", json!({"forceDetach": true})).await;
    assert_eq!(forced.status, StatusCode::OK, "{forced:?}");
}

#[tokio::test]
async fn an_engine_that_answers_with_an_error_may_be_mounted() {
    let manager = with_node().await;
    attach(&manager, Err(Status::out_of_range("the answer is too long"))).await;
    assert_conflict(&manager.post("/v1/volumes/data?action=detach", json!({})).await, "the answer is too long");
    let forced = manager.post("/v1/volumes/data?action=detach", json!({"forceDetach": true})).await;
    assert_eq!(forced.status, StatusCode::OK, "{forced:?}");
}

#[tokio::test]
async fn an_engine_that_is_gone_holds_nobody_up() {
    let manager = with_node().await;
    attach(&manager, Err(Status::unavailable("it ends"))).await;
    let detached = manager.post("/v1/volumes/data?action=detach", json!({})).await;
    assert_eq!(detached.status, StatusCode::OK, "{detached:?}");
}

#[tokio::test]
async fn a_long_status_is_taken() {
    let manager = with_node().await;
    let snapshot = |at: usize| {
        let labels = [("notes".to_owned(), "x".repeat(1 << 20))].into();
        Snapshot { name: format!("s{at}"), labels, ..Snapshot::default() }
    };
    let told = EngineStatus { snapshots: (0..6).map(snapshot).collect(), ..EngineStatus::default() };
    engine::attach_telling(&manager, false, Ok(told)).await;
    let found = manager.post("/v1/volumes/data?action=snapshotGet", json!({"name": "s5"})).await;
    assert_eq!(found.status, StatusCode::OK, "{}", &found.text[..found.text.len().min(500)]);
}

#[tokio::test]
async fn labels_of_a_snapshot_have_a_limit_together() {
    let manager = with_node().await;
    engine::attach(&manager, false).await;
    let labels = |count: usize| {
        let labels: serde_json::Map<_, _> = (0..count).map(|at| (format!("l{at}"), json!("x".repeat(1000)))).collect();
        json!({"name": format!("with-{count}"), "labels": labels})
    };
    let taken = manager.post("/v1/volumes/data?action=snapshotCreate", labels(8)).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    for action in ["snapshotCreate", "snapshotCRCreate"] {
        let refused = manager.post(&format!("/v1/volumes/data?action={action}"), labels(9)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        assert!(refused.json()["message"].as_str().unwrap().contains("8192"), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_attaches_in_the_name_of_a_controller() {
    let manager = with_node().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let attach = |body: serde_json::Value| manager.post("/v1/volumes/data?action=attach", body);
    for (kind, id) in [
        ("snapshot-controller", ""),
        ("volume-rebuilding-controller", ""),
        ("something", ""),
        ("", "volume-expansion-controller-data"),
    ] {
        let refused = attach(json!({"hostId": "node-1", "attacherType": kind, "attachmentID": id})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind} {id} {refused:?}");
        assert!(!refused.json()["detail"].as_str().unwrap().is_empty());
    }
    let long = attach(json!({"hostId": "node-1", "attachmentID": "x".repeat(254)})).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    for at in 0..64 {
        let attached = attach(json!({"hostId": "node-1", "attachmentID": format!("t{at}")})).await;
        assert_eq!(attached.status, StatusCode::OK, "{attached:?}");
    }
    assert_conflict(&attach(json!({"hostId": "node-1", "attachmentID": "one-more"})).await, "64 attachment tickets");
    assert_eq!(attach(json!({"hostId": "node-1", "attachmentID": "t7"})).await.status, StatusCode::OK, "as before");
}
