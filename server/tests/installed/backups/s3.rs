//! A target on a real S3 server: credentials by the API, wrong ones, and a server that goes away in the middle.

use aurochs_server::resources::Backup;
use aurochs_server::resources::backup::BackupState;
use serde_json::{Value, json};

use crate::installation::{Installation, MIB};
use crate::s3_server::{BUCKET, S3Server, credentials, url};

const TARGET: &str = "/v1/backuptargets/default";

impl Installation {
    async fn until_target(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(what, async |_| holds(&self.call("GET", TARGET, Value::Null).await)).await;
        self.call("GET", TARGET, Value::Null).await
    }
}

fn body(server: &S3Server, secret: &str) -> Value {
    let mut credentials: std::collections::BTreeMap<String, String> =
        credentials(&server.endpoint()).into_iter().collect();
    credentials.insert("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned());
    json!({"name": "default", "backupTargetURL": url(BUCKET, "here"), "pollInterval": "3600", "credentials": credentials})
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_on_s3_survive_wrong_credentials_and_a_server_that_goes_away() {
    let mut server = tokio::task::spawn_blocking(S3Server::start).await.unwrap();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.call("PUT", TARGET, body(&server, "a-wrong-secret")).await;
    let told = installation.until_target("wrong credentials are told", |target| target["causes"][0].is_object()).await;
    assert_eq!((&told["available"], &told["causes"][0]["code"]), (&json!(false), &json!("backup-target-unavailable")));
    let tried = installation.call("POST", &format!("{TARGET}?action=backupTargetTest"), json!({})).await;
    assert_eq!(
        (&tried["usable"], &tried["steps"].as_array().unwrap().last().unwrap()["passed"]),
        (&json!(false), &json!(false))
    );
    assert!(
        !tried["nextStep"].as_str().unwrap().is_empty() && !tried.to_string().contains("a-wrong-secret"),
        "{tried}"
    );

    installation.call("PUT", TARGET, body(&server, crate::s3_server::SECRET_KEY)).await;
    let told = installation.until_target("it can be used", |target| target["available"] == true).await;
    assert_eq!(told["credentialSecret"], "default");
    assert!(!told.to_string().contains(crate::s3_server::SECRET_KEY), "{told}");
    let tried = installation.call("POST", &format!("{TARGET}?action=backupTargetTest"), json!({})).await;
    assert_eq!(tried["usable"], true, "{tried}");

    for piece in 0..24_u8 {
        installation.write(u64::from(piece) * 2 * MIB, 2 * MIB, piece + 1).await;
    }
    let content = installation.own_content().await;
    let name = installation.ask_for_backup("one").await;
    installation
        .until("it is being sent, or was", async |store| {
            let status = store.get::<Backup>(&name).await.unwrap().status;
            matches!(status.state, BackupState::InProgress | BackupState::Completed)
        })
        .await;
    tokio::task::block_in_place(|| server.restart());
    let made = installation.until_complete(&name).await;
    installation.restore("back", &made.status.url, json!({})).await;
    installation.until_restored("back").await;
    assert!(installation.content("back").await == content);
    installation.stop().await;
}
