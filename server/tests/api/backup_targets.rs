//! Backup targets by the API. No controller runs here: what a target holds is the business of `tests/installed/backups`.

use aurochs_server::backups::{Backups, credentials};
use aurochs_server::resources::volume::{VolumeSpec, VolumeStatus};
use aurochs_server::resources::{BackupTarget, Object, Volume};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::Manager;

const DEFAULT: &str = "/v1/backuptargets/default";
const PLANTED: &str = "hunter2-planted";

fn target(name: &str, url: &str) -> Value {
    json!({"name": name, "backupTargetURL": url, "pollInterval": "300"})
}

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
async fn targets_are_made_changed_and_deleted() {
    let manager = Manager::start().await;
    let made = manager.post("/v1/backuptargets", target("offsite", "s3://bucket@eu/path")).await;
    assert_eq!((made.status, &made.json()["backupTargetURL"]), (StatusCode::OK, &json!("s3://bucket@eu/path")));
    for (bad, status) in [
        (target("offsite", "s3://other@eu/"), StatusCode::CONFLICT),
        (target("twin", "s3://bucket@eu//path/"), StatusCode::CONFLICT),
        (target("", "s3://other@eu/"), StatusCode::UNPROCESSABLE_ENTITY),
        (target("Big", "s3://other@eu/"), StatusCode::UNPROCESSABLE_ENTITY),
        (target("bad", "ftp://host/path"), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let refused = manager.post("/v1/backuptargets", bad).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(!refused.json()["detail"].as_str().unwrap().is_empty(), "{}", refused.text);
    }
    let path = "/v1/backuptargets/offsite?action=backupTargetUpdate";
    let changed = manager.post(path, target("offsite", "nfs://server:/b")).await;
    assert_eq!(changed.json()["backupTargetURL"], "nfs://server:/b");
    // Mount options make no other place of it.
    for twin in ["nfs://server:/b?nfsOptions=soft", "nfs://SERVER:/b/"] {
        let refused = manager.post("/v1/backuptargets", target("twin", twin)).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("offsite"), "{}", refused.text);
    }
    let same = manager.post(path, target("offsite", "nfs://server:/b?nfsOptions=soft")).await;
    assert_eq!(same.json()["backupTargetURL"], "nfs://server:/b?nfsOptions=soft", "its own may change");
    let sync =
        manager.post("/v1/backuptargets/offsite?action=backupTargetSync", json!({"syncBackupTarget": true})).await;
    assert_eq!((sync.status, &sync.json()["type"]), (StatusCode::OK, &json!("backupTarget")));
    let stored: Object<BackupTarget> = manager.store().get("offsite").await.unwrap();
    assert!(!stored.spec.sync_requested_at.is_empty());
    assert_eq!(manager.call("DELETE", "/v1/backuptargets/offsite", "").await.status, StatusCode::OK);
    assert!(manager.store().get::<BackupTarget>("offsite").await.unwrap().is_deleting(), "its controller cleans up");
}

#[tokio::test]
async fn a_target_that_a_standby_volume_follows_stays_where_it_is() {
    let manager = Manager::start().await;
    manager.post("/v1/backuptargets", target("offsite", "vfs:///b")).await;
    let spec = VolumeSpec { standby: true, backup_target_name: "offsite".into(), ..VolumeSpec::default() };
    manager.store().create(&Object::<Volume>::new("dr", spec)).await.unwrap();
    let path = "/v1/backuptargets/offsite";
    let refused = manager.call("DELETE", path, "").await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("dr"), "{}", refused.text);
    let moved = manager.call("PUT", path, &target("offsite", "vfs:///c").to_string()).await;
    assert_eq!(moved.status, StatusCode::CONFLICT);
    let same = manager.call("PUT", path, &target("offsite", "vfs:///b").to_string()).await;
    assert_eq!(same.status, StatusCode::OK, "its interval may change");
}

#[tokio::test]
async fn credentials_go_in_and_never_come_out() {
    let mut manager = Manager::start().await;
    manager.set_backups(Backups::at(manager.directory.path()));
    let mut body = target("offsite", "s3://bucket@eu/");
    body["credentials"] = json!({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": PLANTED});
    let made = manager.post("/v1/backuptargets", body.clone()).await;
    assert_eq!((made.status, &made.json()["credentialSecret"]), (StatusCode::OK, &json!("offsite")));
    let file = manager.directory.path().join(credentials::FILE);
    assert!(std::fs::read_to_string(&file).unwrap().contains(PLANTED));
    for answer in [made, manager.get("/v1/backuptargets").await, manager.get("/v1/audits").await] {
        assert!(!answer.text.contains("planted"), "{}", answer.text);
    }
    body["credentials"] = json!({"AWS_KEY": PLANTED});
    let refused = manager.call("PUT", "/v1/backuptargets/offsite", &body.to_string()).await;
    assert!(
        refused.status == StatusCode::UNPROCESSABLE_ENTITY && !refused.text.contains("planted"),
        "{}",
        refused.text
    );
    // Without any word of them they stay; an empty list takes them away.
    body.as_object_mut().unwrap().remove("credentials");
    body["credentialSecret"] = json!("offsite");
    manager.call("PUT", "/v1/backuptargets/offsite", &body.to_string()).await;
    assert!(std::fs::read_to_string(&file).unwrap().contains(PLANTED));
    body["credentials"] = json!({});
    manager.call("PUT", "/v1/backuptargets/offsite", &body.to_string()).await;
    assert!(!std::fs::read_to_string(&file).unwrap().contains(PLANTED));
}

/// What two targets share is changed by a person, in the file, and not by one of them for both.
#[tokio::test]
async fn credentials_that_another_target_uses_are_not_overwritten() {
    let mut manager = Manager::start().await;
    manager.set_backups(Backups::at(manager.directory.path()));
    let with = |name: &str, url: &str, secret: &str, key: Option<&str>| {
        let mut body = target(name, url);
        body["credentialSecret"] = json!(secret);
        if let Some(key) = key {
            body["credentials"] = json!({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": key});
        }
        body
    };
    let kept = || std::fs::read_to_string(manager.directory.path().join(credentials::FILE)).unwrap();
    let first = with("first", "s3://bucket@eu/1", "shared", Some(PLANTED));
    assert_eq!(manager.post("/v1/backuptargets", first).await.status, StatusCode::OK);
    let second = with("second", "s3://bucket@eu/2", "shared", None);
    assert_eq!(manager.post("/v1/backuptargets", second).await.status, StatusCode::OK);
    let put = async |name: &str, body: Value| {
        manager.call("PUT", &format!("/v1/backuptargets/{name}"), &body.to_string()).await
    };
    let mut none = with("second", "s3://bucket@eu/2", "shared", None);
    none["credentials"] = json!({});
    for refused in [
        put("second", with("second", "s3://bucket@eu/2", "shared", Some("another-key"))).await,
        put("first", with("first", "s3://bucket@eu/1", "shared", Some("another-key"))).await,
        put("second", none).await,
        manager.post("/v1/backuptargets", with("third", "s3://bucket@eu/3", "shared", Some("another-key"))).await,
    ] {
        assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("shared"), "{}", refused.text);
        assert!(kept().contains(PLANTED) && !kept().contains("another-key"));
    }
    // Without a name they are the target's own.
    let own = put("second", with("second", "s3://bucket@eu/2", "", Some("another-key"))).await;
    assert_eq!((own.status, &own.json()["credentialSecret"]), (StatusCode::OK, &json!("second")));
    assert!(kept().contains(PLANTED) && kept().contains("another-key"));
}

#[tokio::test]
async fn a_test_names_the_step_that_fails() {
    let manager = Manager::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = format!("{DEFAULT}?action=backupTargetTest");
    let good = format!("vfs://{}", directory.path().display());
    let told = manager.post(&path, json!({"backupTargetURL": good})).await.json();
    let steps: Vec<&str> =
        told["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(told["usable"], true, "{told}");
    assert_eq!(steps, ["address", "credentials", "connect", "list", "write", "read", "delete"]);
    for (url, step) in [("ftp://host/", "address"), ("vfs:///var/tmp/no-such-directory", "connect")] {
        let told = manager.post(&path, json!({"backupTargetURL": url})).await.json();
        let last = told["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&told["usable"], &last["name"], &last["passed"]),
            (&json!(false), &json!(step), &json!(false)),
            "{told}"
        );
        assert!(!told["message"].as_str().unwrap().is_empty() && !told["nextStep"].as_str().unwrap().is_empty());
    }
    let nothing = manager.post(&path, json!({})).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY, "it has no address: {}", nothing.text);
    assert_eq!(manager.get(DEFAULT).await.json()["backupTargetURL"], "", "nothing is kept");
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
    let stored: Object<BackupTarget> = manager.store().get("default").await.unwrap();
    assert!(stored.spec.sync_requested_at.is_empty(), "without an address there is nothing to read");
}

/// The target that is being restored from stays the volume's until all of it is there.
#[tokio::test]
async fn a_volume_that_is_being_filled_keeps_its_target() {
    let manager = Manager::start().await;
    manager.post("/v1/backuptargets", target("offsite", "vfs:///b")).await;
    let from_backup = "vfs:///b?backup=one&volume=data".to_owned();
    let spec = VolumeSpec { from_backup, backup_target_name: "default".into(), ..VolumeSpec::default() };
    manager.store().create(&Object::<Volume>::new("filled", spec)).await.unwrap();
    let path = "/v1/volumes/filled?action=updateBackupTargetName";
    for (initiated, required) in [(false, false), (true, true)] {
        let phase = |status: &mut VolumeStatus| {
            (status.restore_initiated, status.restore_required) = (initiated, required);
        };
        manager.store().modify_status::<Volume>("filled", phase).await.unwrap();
        let refused = manager.post(path, json!({"backupTargetName": "offsite"})).await;
        assert!(refused.status.is_client_error() && refused.text.contains("being filled"), "{}", refused.text);
        let kept = manager.store().get::<Volume>("filled").await.unwrap();
        assert_eq!(kept.spec.backup_target_name, "default");
    }
    let done = |status: &mut VolumeStatus| status.restore_required = false;
    manager.store().modify_status::<Volume>("filled", done).await.unwrap();
    let changed = manager.post(path, json!({"backupTargetName": "offsite"})).await;
    assert_eq!((changed.status, &changed.json()["backupTargetName"]), (StatusCode::OK, &json!("offsite")));
}
