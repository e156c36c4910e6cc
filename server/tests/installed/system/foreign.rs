//! What others put into a target: Longhorn's own, damaged ones, and what this version can't bring back.

use std::path::Path;
use std::process::Command;

use aurochs_server::resources::system_backup::SystemBackupState;
use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{Setting, SystemBackup, Volume};
use serde_json::{Value, json};

use super::{place, plant};
use crate::backups::Target;
use crate::installation::Installation;

/// Longhorn's own sample, in which there are no resources.
#[tokio::test(flavor = "multi_thread")]
async fn longhorns_own_is_listed_and_brought_back_as_far_as_it_goes() {
    let target = Target::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/fixtures/backupstores/b08-multi.tar.zst");
    let mut command = Command::new("tar");
    command.args(["--zstd", "--no-same-owner", "--strip-components=1", "-xf"]).arg(sample).arg("-C");
    assert!(command.arg(target.directory.path()).status().unwrap().success());
    let installation = Installation::start(1).await;
    installation.set_target(&target.url()).await;
    let found = installation.until_system_backup("golden-sb").await;
    let status = &found.status;
    assert_eq!((status.version.as_str(), status.git_commit.as_str()), ("v1.9.0", "0000"));
    assert_eq!(status.manager_image, "longhornio/longhorn-manager:v1.9.0");
    assert_eq!(status.created_at, "2026-11-21T02:11:28.82382406Z");
    let before = installation.store().list::<Setting>().await.unwrap().len();
    let restored = installation.restore_the_system("back", "golden-sb").await;
    assert_eq!(restored.status.left_out, Vec::<String>::new());
    assert_eq!(installation.store().list::<Setting>().await.unwrap().len(), before);
    installation.stop().await;
}

const SETTINGS: &str = "apiVersion: longhorn.io/v1beta2
items:
- apiVersion: longhorn.io/v1beta2
  kind: Setting
  metadata:
    name: snapshot-max-count
    namespace: longhorn-system
    resourceVersion: \"4711\"
  status:
    applied: true
  value: \"55\"
- apiVersion: longhorn.io/v1beta2
  kind: Setting
  metadata: {name: of-another-version}
  value: \"1\"
- apiVersion: longhorn.io/v1beta2
  kind: Setting
  metadata: {name: current-longhorn-version}
  value: v1.12.1
- apiVersion: longhorn.io/v1beta2
  kind: Setting
  metadata: {name: concurrent-replica-rebuild-per-node-limit}
  value: \"0\"
kind: SettingList
metadata:
  resourceVersion: \"\"
";

const VOLUMES: &str = "apiVersion: longhorn.io/v1beta2
items:
- apiVersion: longhorn.io/v1beta2
  kind: Volume
  metadata:
    labels: null
    name: plain
  spec:
    Standby: false
    accessMode: rwo
    backupTargetName: default
    dataEngine: v1
    diskSelector: null
    frontend: blockdev
    image: longhornio/longhorn-engine:v1.12.1
    nodeID: worker-7
    numberOfReplicas: 1
    size: \"16777216\"
  status:
    lastBackup: \"\"
    state: attached
- apiVersion: longhorn.io/v1beta2
  kind: Volume
  metadata: {name: gone}
  spec: {size: \"16777216\", numberOfReplicas: 1, backupTargetName: default}
  status: {lastBackup: backup-0123456789abcdef}
- apiVersion: longhorn.io/v1beta2
  kind: Volume
  metadata: {name: second}
  spec: {size: \"33554432\", numberOfReplicas: 1, dataEngine: v2}
kind: VolumeList
";

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_brought_back_is_told_and_the_rest_is_there() {
    let target = Target::new();
    let files = [
        ("prod/metadata.yaml", "longhornVersion: v1.12.1\n"),
        ("prod/yamls/kubernetes/deployments.yaml", "kind: DeploymentList\nitems: []\n"),
        ("prod/yamls/longhorn/setting.yaml", SETTINGS),
        ("prod/yamls/longhorn/volumes.yaml", VOLUMES),
    ];
    plant(target.directory.path(), "v1.12.1", "prod", &files);
    // The same name of another version; a record that is none; a zip that is not its record's; a zip that is none.
    plant(target.directory.path(), "v1.11.0", "prod", &files[..1]);
    for (name, file, text) in
        [("no-record", "system-backup.cfg", "{no json"), ("changed", "system-backup.zip", "another zip")]
    {
        plant(target.directory.path(), "v1.12.1", name, &files[..1]);
        std::fs::write(place(target.directory.path(), "v1.12.1", name).join(file), text).unwrap();
    }
    plant(target.directory.path(), "v1.12.1", "broken", &[("broken/yamls/longhorn/setting.yaml", "{no yaml")]);
    let installation = Installation::start(1).await;
    installation.set_target(&target.url()).await;
    let all = installation.store().list::<SystemBackup>().await.unwrap();
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all.iter().filter(|found| found.name_in_target() == "prod").count(), 2);
    let state = async |name: &str| installation.store().get::<SystemBackup>(name).await.unwrap().status.state;
    assert_eq!(state("no-record").await, SystemBackupState::Error);
    let shown = installation.call("GET", "/v1/systembackups/no-record", Value::Null).await;
    assert_eq!(shown["causes"][0]["code"], "backup-failed", "{shown}");
    assert!(installation.system_restore_refused("x1", "no-record").await.contains("not complete"));

    let prod = all.iter().find(|found| found.name_in_target() == "prod" && found.status.version == "v1.12.1").unwrap();
    let restored = installation.restore_the_system("back", prod.name()).await;
    let told = restored.status.left_out.join("\n");
    for words in [
        "setting of-another-version: this version has no such setting",
        "volume plain: it had no backup",
        "volume gone: its backup backup-0123456789abcdef is not in backup target default any more",
        "volume second: making volume second with dataEngine v2 is not done",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(restored.status.left_out.len(), 4, "{told}");
    let store = installation.store();
    assert_eq!(store.get::<Setting>("snapshot-max-count").await.unwrap().spec.value, "55");
    let rebuilds = store.get::<Setting>("concurrent-replica-rebuild-per-node-limit").await.unwrap();
    assert_ne!(rebuilds.spec.value, "0", "the restore itself needs it");
    let names: Vec<String> =
        store.list::<Volume>().await.unwrap().iter().map(|found| found.name().to_owned()).collect();
    assert_eq!(names, ["plain"]);
    let shown = installation.call("GET", "/v1/systemrestores/back", Value::Null).await;
    assert_eq!(shown["causes"][0]["details"].as_array().unwrap().len(), 4, "{shown}");

    // A volume that is being made is in the way of the next one.
    installation
        .until("plain is detached", async |store| {
            store.get::<Volume>("plain").await.unwrap().status.state == VolumeState::Detached
        })
        .await;
    // What is damaged fails with what is wrong, and changes nothing.
    installation.ask_for_system_restore("of-changed", "changed").await;
    installation
        .until("it fails", async |_| {
            let shown = installation.call("GET", "/v1/systemrestores/of-changed", Value::Null).await;
            shown["state"] == "Error" && shown["error"].as_str().unwrap().contains("SHA-256")
        })
        .await;
    let broken = installation.restore_the_system("of-broken", "broken").await;
    assert!(broken.status.left_out[0].contains("is not read"), "{:?}", broken.status);
    // One that was found is deleted in the target like an own one.
    installation.call("DELETE", &format!("/v1/systembackups/{}", prod.name()), Value::Null).await;
    installation
        .until("it is gone", async |store| store.find::<SystemBackup>(prod.name()).await.unwrap().is_none())
        .await;
    assert!(!place(target.directory.path(), "v1.12.1", "prod").exists());
    assert!(place(target.directory.path(), "v1.11.0", "prod").exists(), "the other version's stays");
    // What goes in the target goes here.
    std::fs::remove_dir_all(place(target.directory.path(), "v1.12.1", "broken")).unwrap();
    let path = "/v1/backuptargets/default?action=backupTargetSync";
    installation.call("POST", path, json!({"syncBackupTarget": true})).await;
    installation
        .until("it is not shown any more", async |store| store.find::<SystemBackup>("broken").await.unwrap().is_none())
        .await;
    installation.stop().await;
}
