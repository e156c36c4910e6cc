//! Events over REST.

use aurochs_server::events::{EventType, ObjectRef, Reason};
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn events_have_kubernetes_form() {
    let manager = Manager::start().await;
    assert_eq!(manager.get("/v1/events").await.json()["data"], json!([]));
    let object = ObjectRef { kind: "InstanceManager".into(), name: "im-1".into(), uid: "u-1".into() };
    for _ in 0..3 {
        manager.app.events.emit(&object, Reason::Stop, EventType::Warning, "it does not answer");
    }
    manager.app.events.settle().await;
    let list = manager.get("/v1/events").await.json();
    assert_eq!((&list["resourceType"], list["data"].as_array().unwrap().len()), (&json!("event"), 1));
    let found = &list["data"][0];
    let event = &found["event"];
    assert_eq!((&found["type"], &found["eventType"]), (&json!("event"), &json!("Warning")));
    assert_eq!((&event["reason"], &event["message"]), (&json!("Stop"), &json!("it does not answer")));
    assert_eq!((&event["count"], &event["type"]), (&json!(3), &json!("Warning")));
    assert_eq!(event["source"]["component"], "longhorn-instance-manager-controller");
    let involved = &event["involvedObject"];
    assert_eq!((&involved["kind"], &involved["name"]), (&json!("InstanceManager"), &json!("im-1")));
    assert_eq!(involved["apiVersion"], "longhorn.io/v1beta2");
    assert_eq!(found["id"], event["metadata"]["name"]);
    let one = manager.get(&format!("/v1/events/{}", found["id"].as_str().unwrap())).await;
    assert_eq!((one.status, &one.json()["event"]), (StatusCode::OK, event));
    assert_eq!(manager.get("/v1/events/none").await.status, StatusCode::NOT_FOUND);
}
