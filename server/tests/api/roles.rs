//! What viewers may do: look. Everything else is refused, route by route and action by action.

use std::collections::BTreeSet;

use aurochs_api::volume::VolumeState;
use aurochs_server::router;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, Manager, VIEWER};

/// Actions that only read, as people know them from Longhorn. Whoever adds one has to say so here, too.
const READING_ACTIONS: [&str; 8] = [
    "backupGet",
    "backupList",
    "backupListByVolume",
    "recurringJobList",
    "snapshotCRGet",
    "snapshotCRList",
    "snapshotGet",
    "snapshotList",
];
/// POSTs about the own session.
const OWN_SESSION: [&str; 2] = ["/login", "/logout"];
/// GETs that a viewer may not do: they tell what others did or what is in volumes, or change something.
const REFUSED_READS: [&str; 7] = [
    "/v1/audits",
    "/v1/audits/{name}",
    "/v1/backupvolumes/{name}/files",
    "/v1/backupvolumes/{name}/files/content",
    "/v1/supportbundles/{node}/{name}/download",
    "/v1/volumes/{name}/files",
    "/v1/volumes/{name}/files/content",
];

async fn ask(manager: &Manager, method: &str, path: &str, body: &str) -> Answer {
    manager.call_as(VIEWER, method, path, body).await
}

fn assert_refused(answer: &Answer, place: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{place}: {answer:?}");
    let body = answer.json();
    assert!(body["message"].as_str().unwrap().contains("vic has the role viewer"), "{place}: {body}");
    assert!(body["detail"].as_str().unwrap().contains("aurochs user role vic admin"), "{place}: {body}");
}

/// Everything that is stored, as the database has it.
async fn stored(manager: &Manager) -> Vec<(String, String, i64)> {
    let path = manager.directory.path().join("aurochs.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let rows = sqlx::query_as("SELECT plural, name, resource_version FROM objects ORDER BY plural, name");
    rows.fetch_all(&pool).await.unwrap()
}

/// A pattern with a name in each place.
fn address(pattern: &str) -> String {
    pattern.split('/').map(|part| if part.starts_with('{') { "data" } else { part }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn a_viewer_is_refused_every_change_on_every_route() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("data", VolumeState::Attached).await;
    let before = stored(&manager).await;
    let table = router::table();
    let mut refused = 0;
    for (method, pattern) in table.entries() {
        let (method, path) = (method.as_str(), address(pattern));
        let place = format!("{method} {path}");
        let is_refused = method != "GET" && !OWN_SESSION.contains(&pattern.as_str());
        if is_refused || REFUSED_READS.contains(&pattern.as_str()) {
            for method in if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] } {
                let answer = ask(&manager, method, &path, "{}").await;
                if method != "HEAD" {
                    assert_refused(&answer, &place);
                }
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{place}");
            }
            refused += 1;
        } else {
            let answer = ask(&manager, method, &path, "").await;
            assert_ne!(answer.status, StatusCode::FORBIDDEN, "{place}: {answer:?}");
        }
    }
    assert!(refused > 25, "only {refused} routes were refused");
    for (method, path) in
        [("POST", "/nowhere"), ("DELETE", "/v1/nowhere"), ("PUT", "/v1/volumes/data"), ("PATCH", "/v1/nodes")]
    {
        assert_eq!(ask(&manager, method, path, "{}").await.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
    assert_eq!(stored(&manager).await, before, "nothing was changed");
}

#[tokio::test]
async fn a_viewer_may_do_the_actions_that_read_and_no_other() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("data", VolumeState::Attached).await;
    let before = stored(&manager).await;
    let schemas = ask(&manager, "GET", "/v1/schemas", "").await.json()["data"].as_array().unwrap().clone();
    let mut read = BTreeSet::new();
    let mut refused = 0;
    for schema in &schemas {
        let collection = schema["links"]["collection"].as_str().unwrap().trim_start_matches("http://manager:9500");
        for name in schema["resourceActions"].as_object().unwrap().keys() {
            let place = format!("{collection}/data?action={name}");
            let answer = ask(&manager, "POST", &place, "{}").await;
            if READING_ACTIONS.contains(&name.as_str()) {
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{place}: {answer:?}");
                read.insert(name.clone());
            } else {
                assert_refused(&answer, &place);
                refused += 1;
            }
        }
    }
    assert_eq!(read, READING_ACTIONS.into_iter().map(str::to_owned).collect());
    assert!(refused > 40, "only {refused} actions were refused");
    let listed = ask(&manager, "POST", "/v1/volumes/data?action=recurringJobList", "").await;
    assert_eq!((listed.status, &listed.json()["type"]), (StatusCode::OK, &json!("collection")));
    for query in
        ["", "?action=", "?action=nothing", "?action=snapshotList&action=snapshotDelete", "?Action=snapshotList"]
    {
        let place = format!("/v1/volumes/data{query}");
        assert_refused(&ask(&manager, "POST", &place, "{}").await, &place);
    }
    assert_eq!(stored(&manager).await, before, "nothing was changed");
}

#[tokio::test]
async fn the_session_tells_the_role() {
    let manager = Manager::start().await;
    assert_eq!(ask(&manager, "GET", "/v1/session", "").await.json()["role"], "viewer");
    assert_eq!(manager.get("/v1/session").await.json()["role"], "admin", "who has no line is an admin");
}

/// Also in the middle of a session.
#[tokio::test]
async fn another_role_counts_from_the_next_request() {
    let manager = Manager::start().await;
    let role = async |expected: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while ask(&manager, "GET", "/v1/session", "").await.json()["role"] != expected {
            assert!(std::time::Instant::now() < deadline, "the change is not noticed");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let job = json!({"name": "nightly", "task": "snapshot", "cron": "@daily", "retain": 1}).to_string();
    assert_eq!(ask(&manager, "POST", "/v1/recurringjobs", &job).await.status, StatusCode::FORBIDDEN);
    let roles = manager.directory.path().join("roles");
    std::fs::write(&roles, "").unwrap();
    role("admin").await;
    assert_eq!(ask(&manager, "POST", "/v1/recurringjobs", &job).await.status, StatusCode::OK);
    std::fs::write(&roles, "*: viewer\nann: admin\n").unwrap();
    role("viewer").await;
    // A slip leaves everything as it was.
    std::fs::write(&roles, "vic: admim\n").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(ask(&manager, "GET", "/v1/session", "").await.json()["role"], "viewer");
    let told = manager.app.auth.audit();
    told.settle().await;
    let changes = manager.get("/v1/audits?action=users").await.json();
    let told: Vec<&Value> = changes["data"].as_array().unwrap().iter().map(|entry| &entry["input"]).collect();
    assert!(told.contains(&&json!("vic is admin now")) && told.contains(&&json!("bob is viewer now")), "{changes}");
}
