//! `GET /v1/whatif`

use aurochs_api::volume::VolumeState;
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn a_question_is_answered_and_nothing_is_changed() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("data", VolumeState::Detached).await;
    let before = manager.get("/v1/nodes/node-1").await.json();
    let answer = manager.get("/v1/whatif?change=evictNode&node=node-1").await.json();
    assert_eq!((&answer["type"], &answer["verdict"]), (&json!("whatIf"), &json!("fine")), "{answer}");
    assert_eq!(answer["question"], json!({"change": "evictNode", "node": "node-1"}));
    assert!(!answer["summary"].as_str().unwrap().is_empty());
    assert_eq!(manager.get("/v1/nodes/node-1").await.json(), before);
    // More replicas than there are nodes: the scheduler's own cause.
    let answer = manager.get("/v1/whatif?change=replicaCount&volume=data&replicaCount=2").await.json();
    assert_eq!(answer["verdict"], "incomplete", "{answer}");
    let cause = &answer["volumes"][0]["causes"][0];
    assert_eq!(cause["code"], "not-enough-nodes", "{answer}");
    for (query, status) in [
        ("change=evictNode&node=gone", StatusCode::NOT_FOUND),
        ("change=evictNode", StatusCode::UNPROCESSABLE_ENTITY),
        ("change=replicaCount&volume=data&replicaCount=21", StatusCode::UNPROCESSABLE_ENTITY),
        ("change=nonsense", StatusCode::BAD_REQUEST),
    ] {
        let refused = manager.get(&format!("/v1/whatif?{query}")).await;
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(!refused.json()["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_query_is_described() {
    let manager = Manager::start().await;
    let document = manager.get("/v1/openapi.json").await.json();
    let parameters = document["paths"]["/v1/whatif"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<&str> = parameters.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"change") && names.contains(&"replicaCount"), "{names:?}");
    let schema = manager.get("/v1/schemas/whatIfQuestion").await.json();
    assert_eq!(schema["resourceFields"]["replicaCount"]["type"], "int");
}
