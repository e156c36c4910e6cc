//! Metrics over HTTP.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::harness::Manager;

#[tokio::test]
async fn metrics_need_a_login_unless_the_operator_opened_them() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 30).await;
    let without_login = || manager.send(Request::get("/metrics").body(Body::empty()).unwrap());
    assert_eq!(without_login().await.status, StatusCode::UNAUTHORIZED);
    let answer = manager.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer:?}");
    assert!(
        answer.text.contains("longhorn_disk_capacity_bytes{node=\"node-1\",disk=\"disk-1\"} 1073741824\n"),
        "{answer:?}"
    );
    manager.app.auth.open_metrics();
    assert_eq!(without_login().await.status, StatusCode::OK);
    // Nothing else is opened by it.
    let volumes = manager.send(Request::get("/v1/volumes").body(Body::empty()).unwrap()).await;
    assert_eq!(volumes.status, StatusCode::UNAUTHORIZED);
    let told = manager.get("/metrics").await.text;
    assert!(told.contains("route=\"/v1/volumes\",code=\"4xx\""), "requests are counted by route: {told}");
}
