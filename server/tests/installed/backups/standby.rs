//! A standby volume follows the backups of another installation, and is activated when that is lost.

use aurochs_server::resources::{Engine, Volume};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Target;
use crate::installation::{Installation, MIB};

const STANDBY: &str = "dr";

impl Installation {
    async fn until_it_holds(&self, backup: &str) {
        self.until(&format!("{STANDBY} holds {backup}"), async |store| {
            let engine = store.get::<Engine>(&format!("{STANDBY}-e-0")).await;
            engine.is_ok_and(|engine| {
                engine.status.last_restored_backup == backup && engine.status.unfinished_restore.is_empty()
            })
        })
        .await;
    }

    async fn activate(&self) {
        self.call("POST", &format!("/v1/volumes/{STANDBY}?action=activate"), json!({"frontend": "nbd"})).await;
        let volume = self.until_restored(STANDBY).await;
        assert!(!volume.spec.standby && !volume.status.is_standby);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_volume_follows_and_is_activated_with_the_newest_backup() {
    let target = Target::new();
    let one = Installation::with_volume(1, "nbd").await;
    one.attach_by_api(false).await;
    one.set_target(&target.url()).await;
    one.write(0, 8 * MIB, 1).await;
    let first = one.back_up("one").await;

    let two = Installation::start(2).await;
    two.set_target(&target.url()).await;
    let standby = json!({"standby": true, "frontend": "", "numberOfReplicas": 2});
    two.restore(STANDBY, &first.status.url, standby).await;
    two.until_it_holds(first.name()).await;
    for (action, body) in [
        ("attach", json!({"hostId": "node-1"})),
        ("detach", json!({})),
        ("expand", json!({"size": "128Mi"})),
        ("snapshotBackup", json!({"name": "x"})),
    ] {
        let path = format!("/v1/volumes/{STANDBY}?action={action}");
        let (status, answer) = two.answer("POST", &path, body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{action}: {answer}");
    }
    // Incremental: what changed, and what was given back.
    one.write(4 * MIB, 8 * MIB, 2).await;
    let second = one.back_up("two").await;
    two.sync().await;
    two.until_it_holds(second.name()).await;
    let shown = two.call("GET", &format!("/v1/volumes/{STANDBY}"), Value::Null).await;
    assert_eq!((&shown["lastBackup"], &shown["standby"]), (&json!(second.name()), &json!(true)), "{shown}");
    // One that is made after the last reading is found by the activation.
    one.write(0, MIB, 3).await;
    one.back_up("three").await;
    let content = one.own_content().await;
    one.stop().await;
    two.activate().await;
    assert!(two.content(STANDBY).await == content, "it is what was backed up last");
    two.stop().await;
}

/// Disaster is when the target is gone, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_activation_does_not_wait_for_a_target_that_is_gone() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 8 * MIB, 1).await;
    let first = installation.back_up("one").await;
    let content = installation.own_content().await;
    installation.restore(STANDBY, &first.status.url, json!({"standby": true, "frontend": ""})).await;
    installation.until_it_holds(first.name()).await;
    drop(target);
    installation.sync().await;
    installation.activate().await;
    assert!(installation.content(STANDBY).await == content);
    let volume = installation.store().get::<Volume>(STANDBY).await.unwrap();
    assert!(volume.is_restored() && !volume.spec.standby);
    installation.stop().await;
}

/// Disaster is also when a node is gone: what is left has all data, and is used.
#[tokio::test(flavor = "multi_thread")]
async fn an_activation_does_not_wait_for_a_node_that_is_gone() {
    let target = Target::new();
    let mut installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 8 * MIB, 1).await;
    let first = installation.back_up("one").await;
    let content = installation.own_content().await;
    let standby = json!({"standby": true, "frontend": "", "numberOfReplicas": 2});
    installation.restore(STANDBY, &first.status.url, standby).await;
    installation.until_it_holds(first.name()).await;
    let engine = installation.store().get::<Engine>(&format!("{STANDBY}-e-0")).await.unwrap();
    let away = if engine.spec.node_id == "node-1" { "node-2" } else { "node-1" };
    installation.freeze_node(away).await;
    drop(target);
    installation.sync().await;
    installation.call("POST", &format!("/v1/volumes/{STANDBY}?action=activate"), json!({"frontend": "nbd"})).await;
    let volume = installation.until_restored(STANDBY).await;
    assert!(!volume.spec.standby && !volume.status.is_standby);
    let told = installation.events().await;
    let words =
        |event: &&Value| event["event"]["message"].as_str().is_some_and(|text| text.contains("is activated with"));
    let told = told.iter().filter(words).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "it is told once: {told:?}");
    assert_eq!(told[0]["event"]["count"].as_u64().unwrap_or(1), 1, "{told:?}");
    if engine.spec.node_id == "node-1" {
        assert!(installation.content(STANDBY).await == content);
    }
    installation.thaw();
    installation.stop().await;
}
