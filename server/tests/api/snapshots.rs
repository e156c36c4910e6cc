//! Snapshot actions, with an engine that answers.

use aurochs_api::snapshot::Snapshot as Layer;
use aurochs_api::volume::VolumeState;
use aurochs_server::resources::Snapshot;
use axum::http::StatusCode;
use serde_json::json;

use crate::engine;
use crate::harness::Manager;

async fn act(manager: &Manager, action: &str, body: serde_json::Value) -> crate::harness::Answer {
    manager.post(&format!("/v1/volumes/data?action={action}"), body).await
}

#[tokio::test]
async fn what_was_done_is_seen_by_the_next_request() {
    let manager = Manager::start().await;
    engine::attach(&manager, true).await;
    let taken = act(&manager, "snapshotCreate", json!({"name": "s1", "labels": {"why": "test"}})).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    let taken = taken.json();
    assert_eq!((&taken["type"], &taken["id"], &taken["usercreated"]), (&json!("snapshot"), &json!("s1"), &json!(true)));
    assert_eq!(taken["labels"]["why"], "test");

    let list = act(&manager, "snapshotList", json!({})).await.json();
    assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!("snapshot")));
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["volume-head", engine::JUST_TAKEN, "s1"], "the head is on top");
    assert_eq!(list["data"][0]["size"], json!(engine::SIZE_NOW.to_string()), "not what the resource had seconds ago");
    assert_eq!(act(&manager, "snapshotGet", json!({"name": "s1"})).await.json()["name"], "s1");

    let unnamed = act(&manager, "snapshotCreate", json!({})).await.json();
    assert_eq!(unnamed["name"].as_str().unwrap().len(), 36, "a UUID");
    let reverted = act(&manager, "snapshotRevert", json!({"name": "s1"})).await;
    assert_eq!((reverted.status, reverted.text.as_str()), (StatusCode::OK, ""));
    let list = act(&manager, "snapshotList", json!({})).await.json();
    assert_eq!(list["data"][0]["parent"], "s1");
    let deleted = act(&manager, "snapshotDelete", json!({"name": unnamed["name"]})).await;
    assert_eq!(deleted.json()["type"], "volume");
    assert_eq!(deleted.json()["snapshots"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_engine_has_is_not_denied_because_the_resource_lags() {
    let manager = Manager::start().await;
    engine::attach(&manager, true).await;
    let found = act(&manager, "snapshotGet", json!({"name": engine::JUST_TAKEN})).await;
    assert_eq!(found.json()["name"], engine::JUST_TAKEN);
    let reverted = act(&manager, "snapshotRevert", json!({"name": engine::JUST_TAKEN})).await;
    assert_eq!(reverted.status, StatusCode::OK, "{reverted:?}");
}

#[tokio::test]
async fn mistakes_are_refused_before_and_by_the_engine() {
    let manager = Manager::start().await;
    engine::attach(&manager, false).await;
    act(&manager, "snapshotCreate", json!({"name": "s1"})).await;
    for (action, name, status, words) in [
        ("snapshotCreate", "s1", 409, "already"),
        ("snapshotCreate", "refused", 409, "a replica is being rebuilt"),
        ("snapshotCreate", "volume-head", 422, "volume-head"),
        ("snapshotGet", "none", 404, "none"),
        ("snapshotDelete", "none", 404, "none"),
        ("snapshotDelete", "volume-head", 422, "volume-head"),
        ("snapshotRevert", "s1", 409, "maintenance"),
        ("snapshotRevert", "volume-head", 422, "no snapshot"),
    ] {
        let answer = act(&manager, action, json!({"name": name})).await;
        assert_eq!(answer.status.as_u16(), status, "{action} {name}: {answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{action} {name}: {answer:?}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{action} {name}");
    }
}

#[tokio::test]
async fn an_engine_that_is_gone_is_503() {
    let manager = Manager::start().await;
    engine::attach(&manager, false).await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    manager
        .store()
        .modify_status::<aurochs_server::resources::Engine>("data-e-0", |status| {
            status.address = format!("tcp:{nowhere}");
        })
        .await
        .unwrap();
    let answer = act(&manager, "snapshotCreate", json!({"name": "s1"})).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
}

/// No controller has made a resource for the layer yet, and its deletion is asked for all the same.
#[tokio::test]
async fn a_layer_without_a_resource_is_not_forgotten_by_who_deletes_it() {
    let manager = Manager::start().await;
    engine::attach(&manager, false).await;
    let resource = async |name: &str| manager.store().find::<Snapshot>(name).await.unwrap();
    let ask = async |name: &str| {
        let answer = act(&manager, "snapshotCRDelete", json!({"name": name})).await;
        assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::OK, &json!("empty")), "{name}");
    };
    assert!(resource(engine::JUST_TAKEN).await.is_none());
    ask(engine::JUST_TAKEN).await;
    let made = resource(engine::JUST_TAKEN).await.unwrap();
    assert!(made.is_deleting() && !made.spec.create_snapshot && made.spec.volume == "data", "{made:?}");

    // The same when the engine has ended: it told of its layers before.
    let ended = |status: &mut aurochs_server::resources::engine::EngineStatus| {
        status.current_state = aurochs_server::resources::engine::InstanceState::Stopped;
        for (name, removed) in [("told-last", false), ("marked", true)] {
            let layer = Layer { name: name.into(), removed, ..Layer::default() };
            status.snapshots.insert(name.into(), layer);
        }
    };
    manager.store().modify_status::<aurochs_server::resources::Engine>("data-e-0", ended).await.unwrap();
    ask("told-last").await;
    assert!(resource("told-last").await.unwrap().is_deleting());
    // What is marked already, what is being written, and what nobody knows: there is nothing to delete.
    for name in ["marked", "volume-head", "never-there"] {
        ask(name).await;
        assert!(resource(name).await.is_none(), "{name}");
    }
}

/// Nobody works on them here: what is asked for stays asked for.
#[tokio::test]
async fn resources_are_asked_for_shown_and_given_back() {
    let manager = Manager::start().await;
    manager.add_volume("data", VolumeState::Detached).await;
    manager.add_volume("other", VolumeState::Detached).await;
    let asked = act(&manager, "snapshotCRCreate", json!({"name": "s1", "labels": {"app": "db"}})).await;
    assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
    let asked = asked.json();
    assert_eq!(
        (&asked["type"], &asked["volume"], &asked["labels"]),
        (&json!("snapshotCR"), &json!("data"), &json!({"app": "db"}))
    );
    assert_eq!(
        (&asked["createSnapshot"], &asked["readyToUse"], &asked["size"]),
        (&json!(true), &json!(false), &json!(0))
    );
    assert_eq!(asked.get("error"), None);
    let unnamed = act(&manager, "snapshotCRCreate", json!({})).await.json();
    assert_eq!(unnamed["name"].as_str().unwrap().len(), 36, "a UUID");

    let list = act(&manager, "snapshotCRList", json!({})).await.json();
    assert_eq!((&list["resourceType"], list["data"].as_array().unwrap().len()), (&json!("snapshotCR"), 2));
    assert_eq!(act(&manager, "snapshotCRGet", json!({"name": "s1"})).await.json()["name"], "s1");
    let elsewhere = manager.post("/v1/volumes/other?action=snapshotCRGet", json!({"name": "s1"})).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let elsewhere = manager.post("/v1/volumes/other?action=snapshotCRDelete", json!({"name": "s1"})).await;
    assert_eq!(elsewhere.status, StatusCode::UNPROCESSABLE_ENTITY, "another volume's: {elsewhere:?}");
    for name in ["s1", "never-there"] {
        let answer = act(&manager, "snapshotCRDelete", json!({"name": name})).await;
        assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::OK, &json!("empty")));
    }
    let deleting = manager.store().get::<Snapshot>("s1").await.unwrap();
    assert!(deleting.is_deleting(), "it goes when its layer has gone");
    for (body, status) in [
        (json!({"name": "s1"}), 409),
        (json!({"name": "a/b"}), 422),
        (json!({"name": "s2", "labels": {"a b": "c"}}), 422),
        (json!({"name": "s2", "labels": {"aurochs.io/snapshot-uid": "x"}}), 422),
    ] {
        let answer = act(&manager, "snapshotCRCreate", body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
    }
}
