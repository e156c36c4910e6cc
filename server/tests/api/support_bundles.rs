//! Support bundles over REST.

use aurochs_server::controllers::Context;
use aurochs_server::resources::SupportBundle;
use aurochs_server::support_bundle::{Bundles, Place, controller};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::harness::{Manager, PASSWORD, USER, basic};

#[tokio::test(flavor = "multi_thread")]
async fn from_being_asked_for_to_the_download() {
    let mut manager = Manager::start().await;
    let ask = json!({"issueURL": "https://example.org/1", "description": "slow"});
    assert_eq!(manager.post("/v1/supportbundles", ask.clone()).await.status, StatusCode::CONFLICT);
    let root = manager.directory.path().to_owned();
    let bundles = Bundles::at(Place::new(root.join("bundles"), root.join("logs"), "node-1", Vec::new()));
    manager.set_bundles(bundles.clone());
    let created = manager.post("/v1/supportbundles", ask.clone()).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let created = created.json();
    assert_eq!((&created["id"], &created["state"]), (&json!("node-1"), &json!("Started")));
    let own = format!("/v1/supportbundles/node-1/{}", created["name"].as_str().unwrap());
    assert_eq!(created["links"]["self"], format!("http://manager:9500{own}"));
    assert_eq!(manager.post("/v1/supportbundles", ask.clone()).await.status, StatusCode::CONFLICT, "one at a time");
    assert_eq!(manager.get(&format!("{own}/download")).await.status, StatusCode::CONFLICT, "it is not ready");

    let context = Context { events: manager.app.events.clone(), ..crate::settings::context(&manager) };
    let mut watch = manager.store().watch::<SupportBundle>();
    let tasks = controller::start(&context, &bundles);
    while manager.get(&own).await.json()["state"] != "ReadyForDownload" {
        watch.next().await.unwrap();
    }
    let path = format!("{own}/download");
    for (header, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "http://evil")]
    {
        let request = Request::get(&path).header("host", "manager:9500").header(header, value);
        let request = request.header("authorization", basic(USER, PASSWORD)).body(Body::empty()).unwrap();
        let refused = manager.send(request).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "another site's page would delete it: {refused:?}");
    }
    let answer = manager.get(&path).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/zip"));
    assert!(answer.header("content-disposition").starts_with("attachment; filename=support-bundle-"), "{answer:?}");
    assert!(answer.text.starts_with("PK"), "no archive");
    while manager.get(&own).await.status != StatusCode::NOT_FOUND {
        watch.next().await.unwrap();
    }
    let long = json!({"description": "x".repeat(5000)});
    assert_eq!(manager.post("/v1/supportbundles", long).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
