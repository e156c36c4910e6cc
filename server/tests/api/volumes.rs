//! Volumes over REST, with the store in the place of the controllers.

use aurochs_api::volume::{Robustness, VolumeState};
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::{Object, Replica, Volume, VolumeAttachment};
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{Answer, Manager};

const GIB: u64 = 1 << 30;

async fn with_nodes() -> Manager {
    let manager = Manager::start().await;
    for name in ["node-1", "node-2"] {
        manager.add_node(name, 100 * GIB).await;
    }
    manager
}

fn assert_refused(answer: &Answer, status: StatusCode, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert!(body["message"].as_str().unwrap().contains(words), "{words}: {body}");
    assert!(!body["detail"].as_str().unwrap().is_empty(), "a next step: {body}");
}

#[tokio::test]
async fn create_answers_with_the_volume_and_the_list_has_it() {
    let manager = with_nodes().await;
    let answer =
        manager.post("/v1/volumes", json!({"name": "data", "size": "1073741825", "numberOfReplicas": 2})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-api-schemas"), "http://manager:9500/v1/schemas");
    let volume = answer.json();
    assert_eq!(volume["size"], (GIB + (2 << 20)).to_string(), "a string, rounded up to 2 MiB");
    assert_eq!(volume["numberOfReplicas"], 2);
    assert_eq!(volume["frontend"], "blockdev");
    assert_eq!(volume["links"]["self"], "http://manager:9500/v1/volumes/data");
    assert_eq!(volume["actions"]["attach"], "http://manager:9500/v1/volumes/data?action=attach");
    let created = volume["created"].as_str().unwrap();
    assert!(created.ends_with(" +0000 UTC") && created.len() == 29, "{created}");

    let list = manager.get("/v1/volumes?ignored=1").await.json();
    assert_eq!(list["type"], "collection");
    assert_eq!(list["resourceType"], "volume");
    assert_eq!(list["links"]["self"], "http://manager:9500/v1/volumes");
    assert_eq!(list["createTypes"]["volume"], "http://manager:9500/v1/volumes");
    assert_eq!(list["data"][0]["id"], "data");
    assert_eq!(manager.get("/v1/volumes/data").await.json()["id"], "data");
}

#[tokio::test]
async fn defaults_come_from_the_settings() {
    let manager = with_nodes().await;
    manager.app.settings.set("default-replica-count", r#"{"v1":"1","v2":"1"}"#);
    let answer = manager.post("/v1/volumes", json!({"name": "data", "size": "1Gi"})).await;
    assert_eq!(answer.json()["numberOfReplicas"], 1);
}

#[tokio::test]
async fn an_empty_list_is_an_empty_array() {
    let list = Manager::start().await.get("/v1/volumes").await.json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn bad_wishes_are_refused_with_the_reason() {
    let manager = with_nodes().await;
    for (body, words) in [
        (json!({"name": "My Volume", "size": "1Gi"}), "'M'"),
        (json!({"name": "", "size": "1Gi"}), "empty"),
        (json!({"name": "../etc", "size": "1Gi"}), "'.'"),
        (json!({"name": "a".repeat(41), "size": "1Gi"}), "41 characters"),
        (json!({"name": "data"}), "size is empty"),
        (json!({"name": "data", "size": "0"}), "too small"),
        (json!({"name": "data", "size": "-5"}), "not a size"),
        (json!({"name": "data", "size": "10 bananas"}), "not a size"),
        (json!({"name": "data", "size": "200Gi"}), "does not fit on any disk"),
        (json!({"name": "data", "size": "1Gi", "numberOfReplicas": 21}), "21 replicas"),
        (json!({"name": "data", "size": "1Gi", "dataLocality": "near"}), "best-effort"),
        (json!({"name": "data", "size": "1Gi", "replicaSoftAntiAffinity": "maybe"}), "replicaSoftAntiAffinity"),
        (json!({"name": "data", "size": "1Gi", "nodeSelector": ["ssd"]}), "\"ssd\""),
        (json!({"name": "data", "size": "16Mi", "encrypted": true}), "larger than 16 MiB"),
        (json!({"name": "data", "size": "1Gi", "dataEngine": "v2"}), "dataEngine"),
    ] {
        assert_refused(&manager.post("/v1/volumes", body).await, StatusCode::UNPROCESSABLE_ENTITY, words);
    }
    assert_eq!(manager.get("/v1/volumes").await.json()["data"], json!([]), "nothing was created");
}

#[tokio::test]
async fn broken_bodies_name_the_place() {
    let manager = with_nodes().await;
    let answer = manager.call("POST", "/v1/volumes", "{\"name\": \"data\",\n\"size\": }").await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, "line 2 column 9");
    let answer = manager.post("/v1/volumes", json!({"name": "data", "size": "1Gi", "numberOfReplicas": "many"})).await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, "numberOfReplicas");
    let answer = manager.call("POST", "/v1/volumes", &" ".repeat((1 << 20) + 1)).await;
    assert_refused(&answer, StatusCode::PAYLOAD_TOO_LARGE, "larger than");
    let answer = manager.call("GET", "/v1/volumes/%FF", "").await;
    assert_eq!((answer.status, answer.json()["type"].as_str()), (StatusCode::BAD_REQUEST, Some("error")));
}

#[tokio::test]
async fn a_name_is_used_once() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let again = manager.post("/v1/volumes", json!({"name": "data", "size": "1Gi"})).await;
    assert_refused(&again, StatusCode::CONFLICT, "already exists");
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let manager = Manager::start().await;
    assert_refused(&manager.get("/v1/volumes/none").await, StatusCode::NOT_FOUND, "\"none\"");
    assert_refused(&manager.call("DELETE", "/v1/volumes/none", "").await, StatusCode::NOT_FOUND, "\"none\"");
    let attach = manager.post("/v1/volumes/none?action=attach", json!({"hostId": "node-1"})).await;
    assert_refused(&attach, StatusCode::NOT_FOUND, "\"none\"");
}

#[tokio::test]
async fn unknown_actions_are_405() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    for path in ["/v1/volumes/data?action=fly", "/v1/volumes/data", "/v1/nodes/node-1?action=fly"] {
        let answer = manager.post(path, json!({})).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.json()["type"], "error");
    }
}

#[tokio::test]
async fn attach_puts_a_ticket_and_detach_takes_it_back() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let input = json!({"hostId": "node-1", "disableFrontend": true, "attachedBy": "ann"});
    for _ in 0..2 {
        let answer = manager.post("/v1/volumes/data?action=attach", input.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "asking twice is fine: {answer:?}");
        let ticket = &answer.json()["volumeAttachment"]["attachments"][""];
        assert_eq!(ticket["nodeID"], "node-1");
        assert_eq!(ticket["attachmentType"], "longhorn-api");
        assert_eq!(ticket["parameters"]["disableFrontend"], "true");
    }
    let attachments = manager.get("/v1/volumeattachments").await.json();
    assert_eq!(attachments["data"][0]["volume"], "data");

    for body in ["", "{}", "{\"hostId\": \"\"}"] {
        let answer = manager.call("POST", "/v1/volumes/data?action=detach", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["volumeAttachment"]["attachments"], json!({}));
    }
}

#[tokio::test]
async fn a_volume_is_on_one_node_in_one_way() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-1"})).await;
    let elsewhere = manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-2"})).await;
    assert_refused(&elsewhere, StatusCode::CONFLICT, "attached to node-1");
    let maintenance = json!({"hostId": "node-1", "disableFrontend": true});
    assert_refused(
        &manager.post("/v1/volumes/data?action=attach", maintenance).await,
        StatusCode::CONFLICT,
        "with its device",
    );
    let attachment = manager.store().get::<VolumeAttachment>("data").await.unwrap();
    assert_eq!(attachment.spec.attachment_tickets[""].node_id, "node-1", "the first wish stands");
}

#[tokio::test]
async fn two_racing_attaches_leave_one_winner() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let attach = |node: &str, id: &str| {
        let body = json!({"hostId": node, "attachmentID": id});
        let manager = &manager;
        async move { manager.post("/v1/volumes/data?action=attach", body).await.status }
    };
    let mut statuses = futures::future::join(attach("node-1", "a"), attach("node-2", "b")).await;
    if statuses.0 != StatusCode::OK {
        statuses = (statuses.1, statuses.0);
    }
    assert_eq!(statuses, (StatusCode::OK, StatusCode::CONFLICT));
    let attachment = manager.store().get::<VolumeAttachment>("data").await.unwrap();
    assert_eq!(attachment.spec.attachment_tickets.len(), 1);
}

#[tokio::test]
async fn attaching_needs_a_good_node_and_a_good_volume() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let attach = |body| manager.post("/v1/volumes/data?action=attach", body);
    assert_refused(&attach(json!({})).await, StatusCode::UNPROCESSABLE_ENTITY, "needs a node");
    let unknown = attach(json!({"hostId": "node-9"})).await;
    assert_refused(&unknown, StatusCode::UNPROCESSABLE_ENTITY, "no such node");
    assert!(unknown.json()["detail"].as_str().unwrap().contains("node-1, node-2"));
    let change = |status: &mut aurochs_server::resources::volume::VolumeStatus| status.robustness = Robustness::Faulted;
    manager.store().modify_status::<Volume>("data", change).await.unwrap();
    assert_refused(&attach(json!({"hostId": "node-1"})).await, StatusCode::CONFLICT, "faulted");
}

#[tokio::test]
async fn a_volume_without_a_placed_replica_is_not_attached() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    let mut replica = Object::<Replica>::new("data-r-1", ReplicaSpec::default()).owned_by_volume(&volume);
    manager.store().create(&replica).await.unwrap();
    let attach = || manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-1"}));
    assert_refused(&attach().await, StatusCode::CONFLICT, "none of its replicas has a place");
    // While it is being created, nobody has looked for a place yet.
    manager.store().modify_status::<Volume>("data", |status| status.state = VolumeState::Creating).await.unwrap();
    assert_eq!(attach().await.status, StatusCode::OK);
    manager.post("/v1/volumes/data?action=detach", json!({})).await;
    manager.store().modify_status::<Volume>("data", |status| status.state = VolumeState::Detached).await.unwrap();
    replica = manager.store().get("data-r-1").await.unwrap();
    replica.spec.node_id = "node-2".to_owned();
    replica.spec.disk_path = "/data/node-2".to_owned();
    manager.store().update(&replica).await.unwrap();
    assert_eq!(attach().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_person_is_told_when_a_workload_keeps_the_volume() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let csi = json!({"hostId": "node-1", "attachmentID": "csi-1", "attacherType": "csi-attacher"});
    assert_eq!(manager.post("/v1/volumes/data?action=attach", csi).await.status, StatusCode::OK);
    let detach = |body| manager.post("/v1/volumes/data?action=detach", body);
    assert_refused(&detach(json!({})).await, StatusCode::CONFLICT, "csi-attacher");
    assert_eq!(detach(json!({"attachmentID": "other"})).await.status, StatusCode::OK, "CSI repeats itself");
    let forced = detach(json!({"forceDetach": true})).await;
    assert_eq!(forced.json()["volumeAttachment"]["attachments"], json!({}));
}

#[tokio::test]
async fn an_attached_volume_is_not_deleted() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-1"})).await;
    let refused = manager.call("DELETE", "/v1/volumes/data", "").await;
    assert_refused(&refused, StatusCode::CONFLICT, "attached to node-1");
    assert!(refused.json()["detail"].as_str().unwrap().contains("detach"));
    manager.call("POST", "/v1/volumes/data?action=detach", "").await;
    let deleted = manager.call("DELETE", "/v1/volumes/data", "").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (StatusCode::OK, ""));
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    assert!(volume.is_deleting(), "the controller cleans up");
    assert_eq!(manager.get("/v1/volumes/data").await.json()["state"], "deleting");
    assert_eq!(manager.call("DELETE", "/v1/volumes/data", "").await.status, StatusCode::OK, "repeating is fine");
    let attach = manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-1"})).await;
    assert_refused(&attach, StatusCode::CONFLICT, "being deleted");
}

#[tokio::test]
async fn snapshots_need_an_attached_volume_and_a_good_name() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    for action in ["snapshotCreate", "snapshotGet", "snapshotList", "snapshotDelete", "snapshotRevert"] {
        let answer = manager.post(&format!("/v1/volumes/data?action={action}"), json!({"name": "s1"})).await;
        assert_refused(&answer, StatusCode::CONFLICT, "not attached");
    }
    let answer = manager.post("/v1/volumes/data?action=snapshotCreate", json!({"name": "a/b"})).await;
    assert_refused(&answer, StatusCode::UNPROCESSABLE_ENTITY, "'/'");
}

#[tokio::test]
async fn the_number_of_replicas_can_be_changed() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Attached).await;
    let update =
        |count: u32| manager.post("/v1/volumes/data?action=updateReplicaCount", json!({"replicaCount": count}));
    assert_eq!(update(2).await.json()["numberOfReplicas"], 2);
    assert_refused(&update(0).await, StatusCode::UNPROCESSABLE_ENTITY, "0 replicas");
    let removed = manager.post("/v1/volumes/data?action=replicaRemove", json!({"name": "data-r-0"})).await;
    assert_refused(&removed, StatusCode::UNPROCESSABLE_ENTITY, "no replica named");
}

#[tokio::test]
async fn no_replica_is_removed_while_nobody_knows_who_has_all_data() {
    let manager = with_nodes().await;
    manager.add_volume("data", VolumeState::Detached).await;
    let volume = manager.app.store.get::<Volume>("data").await.unwrap();
    for name in ["data-r-1", "data-r-2"] {
        let spec = ReplicaSpec { healthy_at: "2026-01-01T00:00:00Z".into(), ..ReplicaSpec::default() };
        manager.app.store.create(&Object::<Replica>::new(name, spec).owned_by_volume(&volume)).await.unwrap();
    }
    let refused = manager.post("/v1/volumes/data?action=replicaRemove", json!({"name": "data-r-1"})).await;
    assert_refused(&refused, StatusCode::SERVICE_UNAVAILABLE, "no instance manager answers");
    assert!(!manager.app.store.get::<Replica>("data-r-1").await.unwrap().is_deleting());
}

#[tokio::test]
async fn a_strictly_local_volume_is_attached_where_its_data_is() {
    let manager = with_nodes().await;
    let input = json!({"name": "data", "size": "1Gi", "numberOfReplicas": 1, "dataLocality": "strict-local"});
    assert_eq!(manager.post("/v1/volumes", input).await.status, StatusCode::OK);
    manager.app.store.modify_status::<Volume>("data", |status| status.state = VolumeState::Detached).await.unwrap();
    let spec = ReplicaSpec {
        volume_name: "data".into(),
        node_id: "node-2".into(),
        disk_path: "/disk".into(),
        ..ReplicaSpec::default()
    };
    let volume = manager.app.store.get::<Volume>("data").await.unwrap();
    manager.app.store.create(&Object::<Replica>::new("data-r-1", spec).owned_by_volume(&volume)).await.unwrap();
    let elsewhere = manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-1"})).await;
    assert_refused(&elsewhere, StatusCode::CONFLICT, "strictly local: its data is on node-2");
    let there = manager.post("/v1/volumes/data?action=attach", json!({"hostId": "node-2"})).await;
    assert_eq!(there.status, StatusCode::OK, "{there:?}");
}
