//! What a user gets wrong: each time a clear answer that says what to do, and nothing lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aurochs_api::volume::VolumeState;
use aurochs_e2e::{ApiError, Installation};
use reqwest::Method;
use serde_json::{Value, json};

/// Fails unless it is a client's error with all these words in its text.
fn says(answer: Result<Value, ApiError>, words: &[&str]) {
    let error = answer.expect_err("it has to be refused");
    let text = format!("{} {}", error.body.message, error.body.detail);
    assert!((400..500).contains(&error.status), "{error}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_gets_a_clear_answer() {
    let installation = Installation::start().await;
    let name = format!("bad-{}", std::process::id());
    says(installation.create("Bad_Name", "1Gi", 3).await, &["Bad_Name", "lower-case"]);
    says(installation.create("", "1Gi", 3).await, &["name"]);
    says(installation.create(&name, "0", 3).await, &["size"]);
    says(installation.create(&name, "ten", 3).await, &["ten", "10Gi"]);
    says(installation.create(&name, "1Gi", 99).await, &["99", "20"]);

    // Larger than all disks: created, as Longhorn does, and the reason stands on it in numbers.
    let large = format!("large-{}", std::process::id());
    installation.create(&large, "900Ti", 3).await.ok();
    if let Some(volume) = installation.volume(&large).await {
        let volume = installation.wait(&volume.name, "explained", |volume| !volume.causes.is_empty()).await;
        assert!(
            volume.causes.iter().any(|cause| cause.message.contains("TiB") && !cause.next_step.is_empty()),
            "{volume:#?}"
        );
    }

    let volume = installation.create_attached(&name, "32Mi", 3, "node-1").await;
    says(installation.create(&name, "1Gi", 3).await, &[&name, "exist"]);
    says(installation.action(&name, "attach", json!({"hostId": "node-9"})).await, &["node-9"]);
    says(installation.action(&name, "attach", json!({"hostId": "node-2"})).await, &["node-1", "etach"]);
    says(installation.ask(Method::DELETE, &format!("v1/volumes/{name}"), None).await, &["attached", "etach"]);
    says(installation.action("no-such-volume", "attach", json!({"hostId": "node-1"})).await, &["no-such-volume"]);
    says(installation.action(&name, "snapshotDelete", json!({"name": "nothing"})).await, &["nothing"]);
    says(installation.action(&name, "snapshotCreate", json!({"name": "a/b"})).await, &["a/b"]);
    let same = installation.wait(&name, "still attached", |volume| volume.state == VolumeState::Attached).await;
    assert_eq!(same.endpoint(), volume.endpoint());
    installation.detach(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_broken_json_are_refused() {
    let installation = Installation::start().await;
    let client = reqwest::Client::new();
    let url = format!("http://{}/v1/volumes", installation.address);
    let nobody = client.get(&url).send().await.unwrap();
    assert_eq!(nobody.status().as_u16(), 401);
    let wrong = client.get(&url).basic_auth("admin", Some("wrong")).send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 401);
    let broken =
        client.post(&url).basic_auth("admin", Some(&installation.password)).body("{\"name\": ").send().await.unwrap();
    assert!(broken.status().is_client_error());
    let text = broken.text().await.unwrap();
    assert!(text.contains("line 1"), "{text}");
    let health = client.get(format!("http://{}/healthz", installation.address)).send().await.unwrap();
    assert!(health.status().is_success());
}
