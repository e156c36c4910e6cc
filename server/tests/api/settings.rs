//! Settings over REST, and what clients learn the API from.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn settings_are_checked_and_stored() {
    let manager = Manager::start().await;
    let list = manager.get("/v1/settings").await.json();
    let all = list["data"].as_array().unwrap();
    let row = all.iter().find(|row| row["id"] == "storage-over-provisioning-percentage").unwrap();
    assert_eq!(
        (&row["value"], &row["definition"]["type"], &row["actions"]),
        (&json!("100"), &json!("int"), &json!({}))
    );

    let put = |name: &str, value: serde_json::Value| {
        let (path, body) = (format!("/v1/settings/{name}"), json!({"value": value}).to_string());
        let manager = &manager;
        async move { manager.call("PUT", &path, &body).await }
    };
    let answer = put("storage-over-provisioning-percentage", json!(" 150 ")).await;
    assert_eq!((answer.status, &answer.json()["value"]), (StatusCode::OK, &json!("150")));
    assert_eq!(manager.get("/v1/settings/storage-over-provisioning-percentage").await.json()["value"], "150");

    for (name, value, status) in [
        ("storage-over-provisioning-percentage", json!("-1"), 422),
        ("storage-over-provisioning-percentage", json!("lots"), 422),
        ("storage-over-provisioning-percentage", json!(""), 422),
        ("storage-over-provisioning-percentage", json!(150), 400),
        ("current-longhorn-version", json!("9"), 409),
        ("no-such-setting", json!("1"), 404),
    ] {
        let answer = put(name, value).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{name}: {answer:?}");
    }
    assert_eq!(manager.get("/v1/settings/storage-over-provisioning-percentage").await.json()["value"], "150");
    assert_eq!(manager.get("/v1/settings/no-such-setting").await.status, StatusCode::NOT_FOUND);
}

/// The way of Longhorn's Python client: base, header, schemas, collection links.
#[tokio::test]
async fn a_client_finds_everything_from_the_base() {
    let manager = Manager::start().await;
    let base = manager.get("/v1").await;
    assert_eq!(base.json()["links"]["volumes"], "http://manager:9500/v1/volumes");
    let schemas_at = base.header("x-api-schemas").strip_prefix("http://manager:9500").unwrap().to_owned();
    let schemas = manager.get(&schemas_at).await.json();
    assert_eq!(schemas["resourceType"], "schema");
    for schema in schemas["data"].as_array().unwrap() {
        let methods = schema["collectionMethods"].as_array().unwrap();
        let id = schema["id"].as_str().unwrap();
        if ["volume", "node", "setting", "instanceManager", "volumeAttachment"].contains(&id) {
            assert!(methods.contains(&json!("GET")));
            let collection = schema["links"]["collection"].as_str().unwrap();
            let path = collection.strip_prefix("http://manager:9500").unwrap();
            assert_eq!(manager.get(path).await.status, StatusCode::OK, "{path}");
        }
    }
    assert_eq!(manager.get("/v1/schemas/VOLUME").await.json()["id"], "volume");
    assert_eq!(manager.get("/").await.json()["data"][0]["id"], "v1");
}
