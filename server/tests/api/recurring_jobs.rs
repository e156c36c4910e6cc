//! Recurring jobs: made, read, changed, sent back, deleted.

use aurochs_api::volume::VolumeState;
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn a_job_lives_through_all_its_methods() {
    let manager = Manager::start().await;
    let nightly = json!({
        "name": "nightly", "task": "snapshot", "cron": "0 2 * * *", "retain": 5, "concurrency": 2,
        "groups": ["default"], "labels": {"why": "night"},
    });
    let made = manager.post("/v1/recurringjobs", nightly.clone()).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    let made = made.json();
    assert_eq!((&made["type"], &made["id"]), (&json!("recurringJob"), &json!("nightly")));
    assert_eq!(made["links"]["self"], "http://manager:9500/v1/recurringjobs/nightly");
    assert_eq!(manager.post("/v1/recurringjobs", nightly).await.status, StatusCode::CONFLICT);

    // What was read can be sent back, header and all.
    let same = manager.call("PUT", "/v1/recurringjobs/nightly", &made.to_string()).await;
    assert_eq!((same.status, same.json()), (StatusCode::OK, made.clone()));
    let changed = manager.call("PUT", "/v1/recurringjobs/nightly", r#"{"retain": 9, "groups": []}"#).await.json();
    assert_eq!((&changed["retain"], changed.get("groups"), &changed["cron"]), (&json!(9), None, &made["cron"]));
    let refused = manager.call("PUT", "/v1/recurringjobs/nightly", r#"{"retain": 1000}"#).await;
    assert!(refused.text.contains("recurring-job-max-retention"), "{}", refused.text);
    assert_eq!(manager.get("/v1/recurringjobs/nightly").await.json(), changed, "a refused change changes nothing");

    assert_eq!(manager.get("/v1/recurringjobs").await.json()["data"], json!([changed]));
    assert_eq!(manager.call("DELETE", "/v1/recurringjobs/nightly", "").await.status, StatusCode::OK);
    assert_eq!(manager.call("DELETE", "/v1/recurringjobs/nightly", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_tells_its_times_and_its_clock() {
    let manager = Manager::start().await;
    let cron = "CRON_TZ=Europe/Berlin 0 0/3 * * ?";
    let body = json!({"name": "often", "task": "snapshot", "cron": cron, "retain": 5, "concurrency": 3});
    let made = manager.post("/v1/recurringjobs", body).await.json();
    assert_eq!((&made["schedule"], &made["timeZone"]), (&json!("every 3 hours, at minute 0"), &json!("Europe/Berlin")));
    let next = made["nextRuns"].as_array().unwrap();
    assert!(next.len() == 5 && next[0].as_str().unwrap().contains(":00:00+0"), "{next:?}");

    // The form asks the same of a cron that is not stored.
    let meaning = manager.get("/v1/schedule?cron=CRON_TZ%3DEurope%2FBerlin%200%200%2F3%20*%20*%20%3F").await.json();
    for field in ["schedule", "timeZone", "nextRuns"] {
        assert_eq!(meaning[field], made[field], "{field}");
    }
    for wrong in ["", "?cron=", "?cron=0%202%20*%20*", "?cron=TZ%3DNowhere%20%40daily"] {
        let refused = manager.get(&format!("/v1/schedule{wrong}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {refused:?}");
        assert!(refused.text.contains("this cron can't be used"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_run_that_is_asked_for_is_stored_with_who_asked() {
    let manager = Manager::start().await;
    let body = json!({"name": "nightly", "task": "snapshot", "cron": "0 2 * * *", "retain": 5, "concurrency": 3});
    let made = manager.post("/v1/recurringjobs", body).await.json();
    assert!(made["actions"]["recurringJobRun"].is_string(), "{made}");
    let running = manager.post("/v1/recurringjobs/nightly?action=recurringJobRun", json!({})).await;
    assert_eq!(running.status, StatusCode::OK, "{running:?}");
    let running = running.json();
    assert_eq!((&running["run"]["startedBy"], &running["executionCount"]), (&json!("ann"), &json!(1)));
    assert_eq!(running["actions"], json!({}), "not offered twice");
    let again = manager.post("/v1/recurringjobs/nightly?action=recurringJobRun", json!({})).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
    let unknown = manager.post("/v1/recurringjobs/nothing?action=recurringJobRun", json!({})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");
}

#[tokio::test]
async fn volumes_forget_a_job_that_is_deleted() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("data", VolumeState::Detached).await;
    for (name, groups) in [("first", json!(["weekly", "shared"])), ("second", json!(["shared"]))] {
        let job = json!({"name": name, "task": "backup", "cron": "@daily", "retain": 1, "groups": groups});
        assert_eq!(manager.post("/v1/recurringjobs", job).await.status, StatusCode::OK);
    }
    for (name, is_group) in [("first", false), ("second", false), ("weekly", true), ("shared", true)] {
        let body = json!({"name": name, "isGroup": is_group});
        let answer = manager.post("/v1/volumes/data?action=recurringJobAdd", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    manager.call("DELETE", "/v1/recurringjobs/first", "").await;
    let left = manager.get("/v1/volumes/data").await.json()["recurringJobSelector"].clone();
    let names: Vec<&str> = left.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"second") && names.contains(&"shared"), "{names:?}");
    assert!(!names.contains(&"first") && !names.contains(&"weekly"), "{names:?}");

    for (name, is_group) in [("default", true), ("shared", true)] {
        let body = json!({"name": name, "isGroup": is_group});
        manager.post("/v1/volumes/data?action=recurringJobDelete", body).await;
    }
    manager.call("DELETE", "/v1/recurringjobs/second", "").await;
    let left = manager.get("/v1/volumes/data").await.json()["recurringJobSelector"].clone();
    assert_eq!(left[0]["name"], "default", "a volume without any takes part in the default group");
}
