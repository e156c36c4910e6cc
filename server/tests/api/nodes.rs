//! Nodes and their disks over REST.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn a_node_keeps_what_an_update_does_not_mention() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let answer = manager.call("PUT", "/v1/nodes/node-1", r#"{"tags": ["ssd", " ssd ", "fast"]}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let node = answer.json();
    assert_eq!(node["tags"], json!(["fast", "ssd"]));
    assert_eq!(node["allowScheduling"], true);
    let node = manager.call("PUT", "/v1/nodes/node-1", r#"{"allowScheduling": false}"#).await.json();
    assert_eq!((node["allowScheduling"].as_bool(), &node["tags"]), (Some(false), &json!(["fast", "ssd"])));
    let refused = manager.call("PUT", "/v1/nodes/node-1", r#"{"tags": ["a b"]}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(manager.call("PUT", "/v1/nodes/none", "{}").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn figures_of_disks_are_numbers() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let list = manager.get("/v1/nodes").await.json();
    let node = &list["data"][0];
    assert_eq!(node["disks"]["disk-1"]["storageMaximum"], 1_u64 << 40);
    assert_eq!(node["conditions"]["Ready"]["status"], "True");
    assert_eq!(node["actions"]["diskUpdate"], "http://manager:9500/v1/nodes/node-1?action=diskUpdate");
}

#[tokio::test]
async fn what_a_node_can_not_do_is_refused_by_name() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    for (query, words) in
        [("?action=reboot", "a node has no action \"reboot\""), ("", "a POST to a node needs an action")]
    {
        let answer = manager.post(&format!("/v1/nodes/node-1{query}"), json!({})).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{answer:?}");
        assert_eq!(answer.json()["message"], words);
    }
    let answer = manager.call("POST", "/v1/nodes/none?action=diskUpdate", "{\"disks\": 5}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn disks_are_replaced_as_a_whole() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let update = |disks| manager.post("/v1/nodes/node-1?action=diskUpdate", json!({"disks": disks}));
    // As the dashboard does it: the disks as they were told, with one more.
    let mut disks = manager.get("/v1/nodes/node-1").await.json()["disks"].clone();
    disks["disk-2"] = json!({"path": "/data/second", "allowScheduling": true, "storageReserved": 5});
    let node = update(disks.clone()).await.json();
    assert_eq!(node["disks"]["disk-2"]["storageReserved"], 5);
    assert_eq!(node["disks"]["disk-1"]["path"], "/data/node-1");

    let change = |name: &str, key: &str, value: serde_json::Value| {
        let mut disks = disks.clone();
        disks[name][key] = value;
        disks
    };
    for (wished, status, words) in [
        (change("disk-2", "path", json!("relative")), 422, "absolute"),
        (change("disk-3", "path", json!("/data/../etc")), 422, "absolute"),
        (change("disk-3", "path", json!("/data/second/")), 422, "same path"),
        (change("disk-1", "path", json!("/elsewhere")), 422, "can't be changed"),
        (change("disk-1", "storageReserved", json!(1_u64 << 41)), 422, "can't be reserved"),
        (change("disk-1", "diskType", json!("block")), 422, "this version has no block disks yet"),
        (json!({}), 409, "can't be taken away"),
    ] {
        let answer = update(wished).await;
        assert_eq!(answer.status.as_u16(), status, "{words}: {answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{words}: {answer:?}");
    }
    let mut off = disks.clone();
    off["disk-2"]["allowScheduling"] = json!(false);
    update(off.clone()).await;
    off.as_object_mut().unwrap().remove("disk-2");
    let node = update(off).await.json();
    assert_eq!(node["disks"].as_object().unwrap().len(), 1, "an idle disk that is switched off can go");
}
