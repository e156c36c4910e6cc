//! Jobs over REST and over the WebSockets.

use aurochs_server::jobs::{Cancel, Failure, JobHandle, JobKind, Level, NewJob, Outcome, StartedBy};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Manager, USER};
use crate::live::{connect, credentials, next, next_that};

async fn begin(manager: &Manager, kind: JobKind, volume: &str, change: impl FnOnce(&mut NewJob)) -> JobHandle {
    let mut new = NewJob::new(kind, volume, "a replica failed");
    new.volume = Some(volume.to_owned());
    change(&mut new);
    manager.app.jobs.begin(new).await
}

async fn listed(manager: &Manager, query: &str) -> Value {
    let answer = manager.get(&format!("/v1/jobs{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
    answer.json()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_job_tells_what_it_does_and_how_far_it_is() {
    let manager = Manager::start().await;
    assert_eq!(listed(&manager, "").await["data"], json!([]));
    let job = begin(&manager, JobKind::Rebuild, "data", |new| {
        new.node = Some("node-1".to_owned());
        new.planned_bytes = Some(100);
    })
    .await;
    job.phase("copying");
    job.done(40);
    job.log(Level::Warning, "a source was lost");
    let list = listed(&manager, "").await;
    assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!("job")));
    let shown = &list["data"][0];
    assert_eq!(shown["links"]["self"], format!("http://manager:9500/v1/jobs/{}", job.id()));
    for (field, value) in [
        ("kind", json!("rebuild")),
        ("state", json!("running")),
        ("object", json!("data")),
        ("volume", json!("data")),
        ("node", json!("node-1")),
        ("starter", json!("system")),
        ("startedBy", json!("a replica failed")),
        ("plannedBytes", json!(100)),
        ("doneBytes", json!(40)),
        ("endedAt", json!("")),
        ("cancellable", json!(false)),
        ("log", Value::Null),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert_eq!((&shown["phases"][0]["name"], &shown["actions"]), (&json!("copying"), &json!({})));
    let path = format!("/v1/jobs/{}", job.id());
    let one = manager.get(&path).await.json();
    let line = &one["log"][0];
    assert_eq!(
        (&line["number"], &line["level"], &line["text"]),
        (&json!(0), &json!("warning"), &json!("a source was lost"))
    );
    job.finish(Outcome::Failed(Failure::new("the disk is full", "Add a disk."))).await;
    let ended = manager.get(&path).await.json();
    assert_eq!((&ended["state"], &ended["message"]), (&json!("failed"), &json!("the disk is full")));
    assert_eq!((&ended["nextStep"], &ended["secondsLeft"]), (&json!("Add a disk."), &Value::Null));
    assert_ne!(ended["endedAt"], "");
}

#[tokio::test]
async fn filters_and_pages() {
    let manager = Manager::start().await;
    let user = |name: &str| StartedBy::User(name.to_owned());
    begin(&manager, JobKind::Rebuild, "a", |_| {}).await.finish(Outcome::Succeeded).await;
    let purge = begin(&manager, JobKind::Purge, "a", |new| new.started_by = user("ann")).await;
    purge.finish(Outcome::Failed(Failure::new("why", "what"))).await;
    let running = begin(&manager, JobKind::Trim, "b", |new| new.started_by = user("bob")).await;
    for (query, expected) in [
        ("", &["3", "2", "1"][..]),
        ("?volume=a", &["2", "1"]),
        ("?kind=rebuild,trim", &["3", "1"]),
        ("?state=running", &["3"]),
        ("?outcome=failed&volume=a", &["2"]),
        ("?startedBy=user", &["3", "2"]),
        ("?startedBy=user:ann", &["2"]),
        ("?startedBy=system", &["1"]),
        ("?from=2000-01-01T00:00:00Z&to=2999-01-01T00:00:00%2B01:00", &["3", "2", "1"]),
        ("?from=2999-01-01T00:00:00Z", &["3"]),
        ("?to=2000-01-01T00:00:00Z", &[]),
        ("?volume=&kind=&unknown=1", &["3", "2", "1"]),
    ] {
        let list = listed(&manager, query).await;
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list["pagination"], json!({"limit": 100, "partial": false}), "{query}");
    }
    let first = listed(&manager, "?limit=2").await;
    assert_eq!((ids(&first), &first["pagination"]["partial"]), (vec!["3".to_owned(), "2".to_owned()], &json!(true)));
    let next = first["pagination"]["next"].as_str().unwrap().strip_prefix("http://manager:9500/v1/jobs").unwrap();
    let second = listed(&manager, next).await;
    assert_eq!((ids(&second), &second["pagination"]), (vec!["1".to_owned()], &json!({"limit": 2, "partial": false})));
    for query in
        ["?kind=reboot", "?state=done", "?limit=0", "?limit=9999", "?marker=x", "?from=today", "?startedBy=ann"]
    {
        let refused = manager.get(&format!("/v1/jobs{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {refused:?}");
        assert!(!refused.json()["detail"].as_str().unwrap().is_empty());
    }
    for name in ["4", "0", "-1", "x", "99999999999999999999"] {
        assert_eq!(manager.get(&format!("/v1/jobs/{name}")).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    drop(running);
}

#[tokio::test]
async fn cancelling() {
    let manager = Manager::start().await;
    let cancel = async |id: String| manager.post(&format!("/v1/jobs/{id}?action=cancel"), json!({})).await;
    let fixed =
        begin(&manager, JobKind::Purge, "a", |new| new.cancel = Cancel::Impossible("Wait for it.".into())).await;
    let refused = cancel(fixed.id().to_string()).await;
    assert_eq!((refused.status, &refused.json()["detail"]), (StatusCode::CONFLICT, &json!("Wait for it.")));
    let job = begin(&manager, JobKind::SnapshotHash, "a", |new| new.cancel = Cancel::Possible).await;
    let id = job.id().to_string();
    let shown = manager.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!(shown["actions"]["cancel"], format!("http://manager:9500/v1/jobs/{id}?action=cancel"));
    let asked = cancel(id.clone()).await;
    assert_eq!((asked.status, &asked.json()["cancelAskedBy"]), (StatusCode::OK, &json!(USER)));
    assert_eq!(asked.json()["actions"], json!({}), "once is enough");
    let by = job.cancelled().await;
    job.finish(Outcome::Cancelled(by)).await;
    let late = cancel(id.clone()).await;
    assert!(late.status == StatusCode::CONFLICT && late.text.contains("does not run any more"), "{late:?}");
    let shown = manager.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["cancelAskedBy"]), (&json!("cancelled"), &json!(USER)));
    assert_eq!(cancel("77".to_owned()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn progress_comes_over_both_web_sockets() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let mut stream = connect(address, "/v1/ws/jobs", credentials()).await.unwrap();
    assert_eq!(next(&mut stream).await, manager.get("/v1/jobs").await.json_at(address));
    let mut live = connect(address, "/v1/ws/live", credentials()).await.unwrap();
    assert_eq!(next(&mut live).await["jobs"], json!([]));
    let job = begin(&manager, JobKind::Rebuild, "data", |new| new.planned_bytes = Some(100)).await;
    let id = job.id().to_string();
    let has = |state: &'static str, done: u64| {
        let id = id.clone();
        move |job: &Value| job["id"] == id && job["state"] == state && job["doneBytes"] == done
    };
    let any_item = |message: &Value, holds: &dyn Fn(&Value) -> bool| {
        let items = message["items"].as_array().into_iter().flatten();
        items.filter(|item| item["kind"] == "job").any(|item| holds(&item["resource"]))
    };
    let any_row =
        |message: &Value, holds: &dyn Fn(&Value) -> bool| message["data"].as_array().unwrap().iter().any(holds);
    next_that(&mut live, |message| any_item(message, &has("running", 0))).await;
    job.done(60);
    next_that(&mut live, |message| any_item(message, &has("running", 60))).await;
    next_that(&mut stream, |message| any_row(message, &has("running", 60))).await;
    job.finish(Outcome::Succeeded).await;
    next_that(&mut live, |message| any_item(message, &has("succeeded", 60))).await;
    next_that(&mut stream, |message| any_row(message, &has("succeeded", 60))).await;
    let mut late = connect(address, "/v1/ws/live", credentials()).await.unwrap();
    let everything = next(&mut late).await;
    assert_eq!(everything["jobs"][0]["state"], "succeeded", "what ended a moment ago is still shown");
}
