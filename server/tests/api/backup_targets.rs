//! The backup target of a fresh installation: there, without an address, and not available.

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

const DEFAULT: &str = "/v1/backuptargets/default";

#[tokio::test]
async fn the_default_target_is_there_and_says_why_it_is_not_available() {
    let manager = Manager::start().await;
    let list = manager.get("/v1/backuptargets").await.json();
    assert_eq!(list["resourceType"], "backupTarget");
    let target = &list["data"][0];
    assert_eq!(
        (&target["id"], &target["available"], &target["backupTargetURL"]),
        (&json!("default"), &json!(false), &json!(""))
    );
    assert_eq!((&target["message"], &target["pollInterval"]), (&json!("backup target URL is empty"), &json!("5m0s")));
    let refused = manager.call("DELETE", DEFAULT, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(manager.get(DEFAULT).await.json(), *target);
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_and_the_interval_changed() {
    let manager = Manager::start().await;
    let target = manager.get(DEFAULT).await.json();
    let same = manager.call("PUT", DEFAULT, &target.to_string()).await;
    assert_eq!((same.status, same.json()), (StatusCode::OK, target.clone()));
    let update = target["actions"]["backupTargetUpdate"].as_str().unwrap().replace("http://manager:9500", "");
    let body = json!({"name": "default", "backupTargetURL": "", "credentialSecret": "", "pollInterval": "3600"});
    assert_eq!(manager.post(&update, body).await.json()["pollInterval"], "1h0m0s");
    for bad in ["", "-1", "soon", "99999999999"] {
        let refused = manager.post(&update, json!({"pollInterval": bad})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(manager.get(DEFAULT).await.json()["pollInterval"], "1h0m0s");
}

#[tokio::test]
async fn an_address_is_refused_by_the_name_of_what_is_missing() {
    let manager = Manager::start().await;
    let body = json!({"name": "default", "backupTargetURL": "nfs://host:/backups", "pollInterval": "300"});
    for (method, path) in [
        ("POST", "/v1/backuptargets/default?action=backupTargetUpdate"),
        ("PUT", DEFAULT),
        ("POST", "/v1/backuptargets/default?action=BackupTargetUpdate"),
    ] {
        let refused = manager.call(method, path, &body.to_string()).await;
        let is_known = !path.ends_with("BackupTargetUpdate");
        let wanted = if is_known { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::METHOD_NOT_ALLOWED };
        assert_eq!(refused.status, wanted, "{refused:?}");
        assert!(!is_known || refused.text.contains("this version has no backups yet"), "{}", refused.text);
    }
    let second = json!({"name": "second", "backupTargetURL": "nfs://host:/b", "pollInterval": "300"});
    assert!(manager.post("/v1/backuptargets", second).await.text.contains("no backups yet"));
    let first = json!({"name": "default", "pollInterval": "300"});
    assert_eq!(manager.post("/v1/backuptargets", first).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn reading_all_targets_again_answers_with_them() {
    let manager = Manager::start().await;
    let answer = manager.call("PUT", "/v1/backuptargets", r#"{"syncAllBackupTargets": true}"#).await;
    assert_eq!(answer.json()["data"][0]["id"], "default");
    let answer = manager.call("PUT", "/v1/backupvolumes", r#"{"syncAllBackupVolumes": true}"#).await;
    assert_eq!((answer.status, &answer.json()["data"]), (StatusCode::OK, &json!([])));
    let sync = manager.post(&format!("{DEFAULT}?action=backupTargetSync"), json!({"syncBackupTarget": true})).await;
    assert_eq!((sync.status, &sync.json()["type"]), (StatusCode::OK, &json!("backupTarget")));
}
