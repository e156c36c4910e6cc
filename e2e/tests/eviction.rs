//! A disk is emptied while a file system on the volume is written to: nothing is lost, and what moved is whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use aurochs_api::replica::ReplicaMode;
use aurochs_api::volume::Robustness;
use aurochs_e2e::{Installation, Mounted, processes, tree};
use reqwest::Method;
use serde_json::{Value, json};

const NODE: &str = "node-2";

/// Changes the disks of a node as the dashboard does: all of them are sent back.
async fn update_disks(installation: &Installation, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let node = installation.ask(Method::GET, &format!("v1/nodes/{NODE}"), None).await.unwrap();
    let mut disks = node["disks"].as_object().unwrap().clone();
    change(&mut disks);
    let path = format!("v1/nodes/{NODE}?action=diskUpdate");
    installation.ask(Method::POST, &path, Some(json!({"disks": disks}))).await.unwrap();
}

/// The last step of the node page's walkthrough (W41): a disk is added, another one is disabled and evicted.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_emptied_under_write_load() {
    let installation = Installation::start().await;
    let original = tree::original(installation.root.path());
    // /dev/longhorn is shared with whatever else runs on this machine.
    let name = format!("evict-{}", std::process::id());
    let volume = installation.create_attached(&name, "1Gi", 3, "node-1").await;
    let leaving = volume.replicas.iter().find(|replica| replica.host_id == NODE).unwrap().clone();
    let mounted = Mounted::format(volume.endpoint(), &installation.root.path().join("mnt"));
    tree::copy(&original, &mounted.path.join("before"));

    let disk = installation.root.path().join("second-disk");
    std::fs::create_dir(&disk).unwrap();
    let target = mounted.path.join("meanwhile");
    let from = original.clone();
    let copying = tokio::task::spawn_blocking(move || tree::copy(&from, &target));
    update_disks(&installation, |disks| {
        for default in disks.values_mut() {
            default["allowScheduling"] = json!(false);
            default["evictionRequested"] = json!(true);
        }
        disks.insert("second".into(), json!({"path": disk.display().to_string(), "allowScheduling": true}));
    })
    .await;
    let moved = installation
        .wait(&name, "off the emptied disk", |volume| {
            let here = volume.replicas.iter().filter(|replica| replica.host_id == NODE).collect::<Vec<_>>();
            let done = here.len() == 1 && here[0].name != leaving.name && here[0].mode == ReplicaMode::ReadWrite;
            done && volume.robustness == Robustness::Healthy
        })
        .await;
    copying.await.unwrap();
    assert!(!Path::new(&leaving.data_path).exists(), "{} is still there", leaving.data_path);

    // Only what moved is left to answer: it has all that was written before, meanwhile and after.
    tree::copy(&original, &mounted.path.join("after"));
    mounted.sync();
    let new = moved.replicas.iter().find(|replica| replica.host_id == NODE).unwrap().name.clone();
    let limit = "v1/settings/concurrent-replica-rebuild-per-node-limit";
    installation.ask(Method::PUT, limit, Some(json!({"value": "0"}))).await.unwrap();
    for replica in moved.replicas.iter().filter(|replica| replica.name != new) {
        processes::kill_one(&["replica", &replica.name]);
    }
    installation
        .wait(&name, "served by what moved", |volume| {
            let serving = volume.replicas.iter().filter(|replica| replica.mode == ReplicaMode::ReadWrite);
            serving.map(|replica| &replica.name).eq([&new])
        })
        .await;
    mounted.forget_cache();
    let expected = tree::read(&original).unwrap();
    for copy in ["before", "meanwhile", "after"] {
        assert!(tree::read(&mounted.path.join(copy)).unwrap() == expected, "{copy}");
    }
    mounted.unmount();
    installation.detach(&name).await;
}
