//! A volume that is used before its backup has arrived.

use aurochs_server::resources::Volume;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Target;
use crate::installation::{Installation, MIB};

const COPY: &str = "copy";

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_used_before_its_backup_has_arrived() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 8 * MIB, 1).await;
    let backup = installation.back_up("one").await;
    let content = installation.own_content().await;
    let refused = json!({"name": "x", "size": "64Mi", "instantRestore": true, "frontend": "nbd"});
    let (status, told) = installation.answer("POST", "/v1/volumes", refused).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");

    // Its records are there, its blocks are not.
    let blocks = target.files(".blk");
    let aside = |path: &std::path::Path| path.with_extension("aside");
    for block in &blocks {
        std::fs::rename(block, aside(block)).unwrap();
    }
    installation.restore(COPY, &backup.status.url, json!({"instantRestore": true})).await;
    let usable = installation.until_restored(COPY).await;
    assert!(usable.status.is_partly_remote, "{:?}", usable.status);
    let path = |action: &str| format!("/v1/volumes/{COPY}?action={action}");
    installation.call("POST", &path("attach"), json!({"hostId": "node-1"})).await;
    installation
        .until("the reason is told", async |_| {
            let shown = installation.call("GET", &format!("/v1/volumes/{COPY}"), Value::Null).await;
            let causes = shown["causes"].as_array().unwrap();
            causes.iter().any(|cause| cause["code"] == "restoring" && cause["severity"] == "error")
        })
        .await;
    let shown = installation.call("GET", &format!("/v1/volumes/{COPY}"), Value::Null).await;
    assert_eq!((&shown["instantRestore"], &shown["state"]), (&json!(true), &json!("attached")), "{shown}");
    assert_eq!(shown["remoteSize"], json!("8388608"), "{shown}");
    let of = installation.backup_volume().await;
    let of = format!("/v1/backupvolumes/{}", of.name());
    let (status, told) =
        installation.answer("POST", &format!("{of}?action=backupDelete"), json!({"name": backup.name()})).await;
    assert!(status == StatusCode::CONFLICT && told.to_string().contains(COPY), "{told}");
    let (status, told) = installation.answer("DELETE", &of, Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{told}");

    for block in &blocks {
        std::fs::rename(aside(block), block).unwrap();
    }
    installation
        .until("all of it is there", async |store| !store.get::<Volume>(COPY).await.unwrap().status.is_partly_remote)
        .await;
    let shown = installation.call("GET", &format!("/v1/volumes/{COPY}"), Value::Null).await;
    assert_eq!(shown["remoteSize"], json!("0"), "{shown}");
    installation.call("POST", &path("detach"), json!({})).await;
    installation
        .until("it is detached", async |store| {
            let volume = store.get::<Volume>(COPY).await.unwrap();
            volume.status.state == aurochs_server::resources::volume::VolumeState::Detached
        })
        .await;
    assert!(installation.content(COPY).await == content, "it is what the volume was");
    installation.call("POST", &format!("{of}?action=backupDelete"), json!({"name": backup.name()})).await;
    installation.stop().await;
}
