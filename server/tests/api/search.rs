//! `GET /v1/search`

use aurochs_api::volume::VolumeState;
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn one_question_finds_all_kinds_with_addresses_that_lead_somewhere() {
    let manager = Manager::start().await;
    manager.add_node("shop-node", 1 << 40).await;
    manager.add_volume("shop-data", VolumeState::Detached).await;
    let job = json!({"name": "shop-nightly", "task": "snapshot", "cron": "@daily", "retain": 1});
    assert_eq!(manager.post("/v1/recurringjobs", job).await.status, StatusCode::OK);
    let answer = manager.get("/v1/search?q=Shop&kind=volume,node,recurringJob").await.json();
    assert_eq!((&answer["type"], &answer["total"]), (&json!("search"), &json!(3)), "{answer}");
    let results = answer["results"].as_array().unwrap();
    for result in results {
        let path = result["address"].as_str().unwrap().strip_prefix("http://manager:9500").unwrap();
        assert_eq!(manager.get(path).await.json()["id"], result["name"]);
    }
    assert_eq!(answer["counts"]["volume"], 1);
    let of_one = manager.get("/v1/search?q=shop&kind=Node,recurringJob&limit=1").await.json();
    assert_eq!((&of_one["total"], of_one["results"].as_array().unwrap().len()), (&json!(2), 1), "{of_one}");
    for (query, part) in [("q=", "q is empty"), ("q=a&kind=thing", "type \"thing\"")] {
        let refused = manager.get(&format!("/v1/search?{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.json()["message"].as_str().unwrap().contains(part), "{refused:?}");
    }
}
