//! The main job as a user does it: a file system on a replicated volume, with faults in the middle.

use std::process::Command;

use aurochs_api::replica::ReplicaMode;
use aurochs_api::volume::{Robustness, VolumeState};
use aurochs_e2e::{Installation, Mounted, device, processes, tree};
use serde_json::json;

fn name(base: &str) -> String {
    // /dev/longhorn is shared with whatever else runs on this machine.
    format!("{base}-{}", std::process::id())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_survives_the_loss_of_a_replica_and_its_rebuild() {
    let installation = Installation::start().await;
    let original = tree::original(installation.root.path());
    let name = name("fs");
    let volume = installation.create_attached(&name, "1Gi", 3, "node-1").await;
    assert_eq!(volume.endpoint(), format!("/dev/longhorn/{name}"));
    let nodes: std::collections::BTreeSet<_> = volume.replicas.iter().map(|replica| &replica.host_id).collect();
    assert_eq!(nodes.len(), 3, "a replica on each node");

    let mounted = Mounted::format(volume.endpoint(), &installation.root.path().join("mnt"));
    tree::copy(&original, &mounted.path.join("first"));
    let victim = volume.replicas[1].name.clone();
    let second = mounted.path.join("second");
    let from = original.clone();
    let copying = tokio::task::spawn_blocking(move || tree::copy(&from, &second));
    processes::kill_one(&["replica", &victim]);
    installation.wait(&name, "degraded", |volume| volume.robustness == Robustness::Degraded).await;
    copying.await.unwrap();
    mounted.forget_cache();
    let expected = tree::read(&original).unwrap();
    assert!(expected.len() > 1000);
    for copy in ["first", "second"] {
        assert!(tree::read(&mounted.path.join(copy)).unwrap() == expected, "{copy}");
    }

    let healthy = installation.wait(&name, "healthy again", |volume| volume.robustness == Robustness::Healthy).await;
    assert_eq!(healthy.replicas.iter().filter(|replica| replica.mode == ReplicaMode::ReadWrite).count(), 3);
    let rebuilt = healthy.replicas.iter().find(|replica| replica.name == victim).map(|replica| replica.name.clone());
    // It was rebuilt in place or on another node; either way it is the one that is not among the first two.
    let old: Vec<_> = [0, 2].map(|index| volume.replicas[index].name.clone()).to_vec();
    let survivor = rebuilt.unwrap_or_else(|| {
        let fresh = healthy.replicas.iter().find(|replica| !old.contains(&replica.name)).unwrap();
        fresh.name.clone()
    });
    // No rebuild may start while only the rebuilt replica is left to answer.
    installation
        .ask(reqwest::Method::PUT, "v1/settings/concurrent-replica-rebuild-per-node-limit", Some(json!({"value": "0"})))
        .await
        .unwrap();
    for replica in &old {
        processes::kill_one(&["replica", replica]);
    }
    installation
        .wait(&name, "served by one replica", |volume| {
            let serving = volume.replicas.iter().filter(|replica| replica.mode == ReplicaMode::ReadWrite);
            serving.map(|replica| &replica.name).eq([&survivor])
        })
        .await;
    mounted.forget_cache();
    for copy in ["first", "second"] {
        assert!(tree::read(&mounted.path.join(copy)).unwrap() == expected, "{copy} from the rebuilt replica");
    }
    mounted.unmount();
    let checked = Command::new("fsck.ext4").args(["-fn", volume.endpoint()]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    installation.detach(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_brings_back_what_was_overwritten() {
    let installation = Installation::start().await;
    let original = tree::original(installation.root.path());
    let name = name("snap");
    let volume = installation.create_attached(&name, "512Mi", 3, "node-2").await;
    let place = installation.root.path().join("mnt");
    let mounted = Mounted::format(volume.endpoint(), &place);
    tree::copy(&original, &mounted.path.join("data"));
    let before = tree::read(&mounted.path.join("data")).unwrap();
    mounted.sync();
    installation.action(&name, "snapshotCreate", json!({"name": "before", "labels": {"why": "test"}})).await.unwrap();
    let list = installation.snapshots(&name).await;
    let head = list.iter().find(|snapshot| snapshot.name == "volume-head").unwrap();
    assert_eq!(head.parent, "before");
    device::run("rm", &["-rf", &mounted.path.join("data").display().to_string()]);
    std::fs::write(mounted.path.join("other"), vec![7_u8; 32 << 20]).unwrap();
    // A mounted file system is not pulled away without being told so twice.
    let in_use = installation.action(&name, "detach", json!({})).await.unwrap_err();
    assert!(in_use.status == 409 && in_use.body.message.contains("mounted at"), "{in_use}");
    mounted.unmount();

    let refused = installation.action(&name, "snapshotRevert", json!({"name": "before"})).await.unwrap_err();
    assert!(refused.status < 500 && refused.body.message.contains("maintenance"), "{refused}");
    installation.detach(&name).await;
    installation.action(&name, "attach", json!({"hostId": "node-2", "disableFrontend": true})).await.unwrap();
    installation
        .wait(&name, "in maintenance", |volume| volume.state == VolumeState::Attached && volume.disable_frontend)
        .await;
    installation.action(&name, "snapshotRevert", json!({"name": "before"})).await.unwrap();
    installation.detach(&name).await;

    let volume = installation.attach(&name, "node-3").await;
    let mounted = Mounted::mount(volume.endpoint(), &place);
    assert!(tree::read(&mounted.path.join("data")).unwrap() == before);
    assert!(!mounted.path.join("other").exists());
    mounted.unmount();
    installation.action(&name, "snapshotDelete", json!({"name": "before"})).await.unwrap();
    let left = installation.snapshots(&name).await;
    assert!(left.iter().all(|snapshot| snapshot.name != "before" || snapshot.removed), "{left:?}");
    installation.detach(&name).await;
    installation.ask(reqwest::Method::DELETE, &format!("v1/volumes/{name}"), None).await.unwrap();
    installation.wait_gone(&name).await;
    let directories = device::run("find", &[&installation.data().display().to_string(), "-name", &format!("{name}-*")]);
    assert!(!directories.contains("/replicas/"), "nothing is left on the disks: {directories}");
}

#[tokio::test(flavor = "multi_thread")]
async fn io_goes_on_without_the_manager_and_a_new_one_adopts_the_volume() {
    let mut installation = Installation::start().await;
    let original = tree::original(installation.root.path());
    let name = name("adopt");
    let volume = installation.create_attached(&name, "512Mi", 3, "node-1").await;
    let mounted = Mounted::format(volume.endpoint(), &installation.root.path().join("mnt"));
    let target = mounted.path.join("tree");
    let from = original.clone();
    let copying = tokio::task::spawn_blocking(move || tree::copy(&from, &target));
    installation.kill_manager();
    copying.await.unwrap();
    mounted.forget_cache();
    assert!(tree::read(&mounted.path.join("tree")).unwrap() == tree::read(&original).unwrap());
    let engine = processes::find(&["engine", &name]);
    installation.start_manager();
    let adopted = installation.wait(&name, "healthy", |volume| volume.robustness == Robustness::Healthy).await;
    assert_eq!(adopted.endpoint(), volume.endpoint());
    assert_eq!(processes::find(&["engine", &name]), engine, "the same engine");
    std::fs::write(mounted.path.join("after"), "still writable").unwrap();
    mounted.unmount();
    installation.detach(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_flushed_is_there_after_the_engine_was_killed() {
    let installation = Installation::start().await;
    let original = tree::original(installation.root.path());
    let name = name("crash");
    let volume = installation.create_attached(&name, "512Mi", 3, "node-1").await;
    let place = installation.root.path().join("mnt");
    let mounted = Mounted::format(volume.endpoint(), &place);
    tree::copy(&original, &mounted.path.join("tree"));
    mounted.sync();
    let killed = processes::kill_one(&["engine", &name]);
    drop(mounted);
    // The ticket is still there: the volume comes back by itself, with a new engine.
    let back = installation
        .wait(&name, "attached again", |volume| {
            let engines = processes::find(&["engine", &volume.name]);
            volume.state == VolumeState::Attached && !engines.is_empty() && !engines.contains(&killed)
        })
        .await;
    let back = installation.wait(&back.name, "offered", |volume| !volume.endpoint().is_empty()).await;
    let mounted = Mounted::mount(back.endpoint(), &place);
    assert!(tree::read(&mounted.path.join("tree")).unwrap() == tree::read(&original).unwrap());
    mounted.unmount();
    installation.detach(&name).await;
}
