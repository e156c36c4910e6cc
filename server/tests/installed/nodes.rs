//! Nodes and disks: the disks are directories, and file systems of their own where root allows it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::{InstanceStartRequest, ReplicaSpec, instance_start_request};
use aurochs_server::instance::{Clients, Network};
use aurochs_server::standalone::Layout;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::installation::{Installation, PATIENCE};

impl Installation {
    async fn node(&self, name: &str) -> Value {
        let (status, node) = self.answer("GET", &format!("/v1/nodes/{name}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{node}");
        node
    }

    async fn put_node(&self, name: &str, body: Value) {
        let (status, answer) = self.answer("PUT", &format!("/v1/nodes/{name}"), body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    async fn put_disks(&self, name: &str, disks: Value) -> (StatusCode, Value) {
        self.answer("POST", &format!("/v1/nodes/{name}?action=diskUpdate"), json!({ "disks": disks })).await
    }

    async fn until_node(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let node = self.node("node-1").await;
                if holds(&node) {
                    return node;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(node) => node,
            Err(_) => panic!("waited in vain until {what}: {:#}", self.node("node-1").await),
        }
    }

    async fn orphans(&self) -> Vec<Value> {
        let (_, list) = self.answer("GET", "/v1/orphans", Value::Null).await;
        list["data"].as_array().unwrap().clone()
    }

    async fn until_orphans(&self, count: usize) -> Vec<Value> {
        let wait = async {
            loop {
                let orphans = self.orphans().await;
                if orphans.len() == count {
                    return orphans;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(orphans) => orphans,
            Err(_) => panic!("waited in vain for {count} orphans: {:#?}", self.orphans().await),
        }
    }

    /// A change of the node's wishes makes it look at its disks at once.
    async fn nudge(&self) {
        let text = format!("{:?}", std::time::SystemTime::now());
        self.put_node("node-1", json!({"annotations": {"test/nudge": text}})).await;
    }
}

/// Makes what looks like a replica.
fn make_replica_directory(disk: &Path, name: &str) -> PathBuf {
    let directory = disk.join("replicas").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("volume.meta"), "{}").unwrap();
    directory
}

fn condition<'a>(of: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let found = &of["conditions"][kind];
    (found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default())
}

/// W11, W41 and what a misspelt path does.
#[tokio::test(flavor = "multi_thread")]
async fn disks_come_by_label_by_hand_and_go() {
    let installation = Installation::start_in_zones(2, &["node-1=eu/a"]).await;
    let node = installation.until_node("it is ready", |node| condition(node, "Ready").0 == "True").await;
    assert_eq!((&node["region"], &node["zone"]), (&json!("eu"), &json!("a")));
    for kind in ["KernelModulesLoaded", "MountPropagation", "Multipathd", "NFSClientInstalled", "RequiredPackages"] {
        assert!(matches!(condition(&node, kind).0, "True" | "False"), "{kind}: {node:#}");
    }
    let environment = node["environment"].as_array().unwrap();
    assert!(environment.iter().any(|item| item["name"] == "kernel" && item["ok"] == true), "{environment:?}");
    let disks = node["disks"].as_object().unwrap().clone();
    let (default_name, default) = disks.iter().next().unwrap();
    assert!(disks.len() == 1 && default_name.starts_with("default-disk-"), "{disks:?}");
    assert_eq!(default["causes"], json!([]), "the product's own disk is no reason for a warning");

    // W41: add a disk with 1 GB reserved; one with a misspelt path beside it.
    let place = installation.path();
    let (ssd, misspelt) = (place.join("ssd"), place.join("sdd"));
    std::fs::create_dir(&ssd).unwrap();
    let mut wished = disks.clone();
    wished.insert("ssd".into(), json!({"path": ssd, "allowScheduling": true, "storageReserved": 1_000_000_000}));
    wished.insert("sdd".into(), json!({"path": misspelt, "allowScheduling": true}));
    let (status, answer) = installation.put_disks("node-1", json!(wished)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let node = installation
        .until_node("both were looked at", |node| {
            condition(&node["disks"]["ssd"], "Ready").0 == "True"
                && condition(&node["disks"]["sdd"], "Ready").0 == "False"
        })
        .await;
    assert_eq!(node["disks"]["ssd"]["storageReserved"], 1_000_000_000_u64);
    assert_eq!(condition(&node["disks"]["sdd"], "Ready").1, "NoDiskInfo");
    assert!(!misspelt.exists(), "a misspelt path is not made");
    let cause = node["disks"]["sdd"]["causes"][0]["message"].as_str().unwrap();
    assert!(cause.contains("there is no directory"), "{cause}");

    // W41: remove the default disk, and the misspelt one.
    let only_ssd = json!({"ssd": wished["ssd"]});
    let (status, _) = installation.put_disks("node-1", only_ssd.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "scheduling has to be off");
    wished[default_name]["allowScheduling"] = json!(false);
    wished["sdd"]["allowScheduling"] = json!(false);
    assert_eq!(installation.put_disks("node-1", json!(wished)).await.0, StatusCode::OK);
    assert_eq!(installation.put_disks("node-1", only_ssd).await.0, StatusCode::OK);
    let off = json!({"ssd": {"path": ssd, "allowScheduling": false}});
    assert_eq!(installation.put_disks("node-1", off).await.0, StatusCode::OK);
    assert_eq!(installation.put_disks("node-1", json!({})).await.0, StatusCode::OK);

    // W11: exactly the annotation's disks, once their directories are there.
    let (sdb, sdc) = (place.join("longhorn-sdb"), place.join("longhorn-sdc"));
    installation.set("create-default-disk-labeled-nodes", "true").await;
    let config = json!([{"path": sdb, "allowScheduling": true}, {"path": sdc, "allowScheduling": true}]).to_string();
    let labels = json!({"node.longhorn.io/create-default-disk": "config"});
    let annotations =
        json!({"node.longhorn.io/default-disks-config": config, "node.longhorn.io/default-node-tags": "[\"fast\"]"});
    installation.put_node("node-1", json!({"labels": labels, "annotations": annotations})).await;
    let node =
        installation.until_node("what lacks is told", |node| !node["causes"].as_array().unwrap().is_empty()).await;
    assert!(node["causes"][0]["message"].as_str().unwrap().contains("there is no directory"), "{node:#}");
    assert_eq!((&node["disks"], &node["tags"]), (&json!({}), &json!(["fast"])));
    std::fs::create_dir(&sdb).unwrap();
    std::fs::create_dir(&sdc).unwrap();
    let node = installation
        .until_node("both disks are ready", |node| {
            let disks = node["disks"].as_object().unwrap();
            disks.len() == 2 && disks.values().all(|disk| condition(disk, "Ready").0 == "True")
        })
        .await;
    let mut paths: Vec<_> =
        node["disks"].as_object().unwrap().values().map(|disk| disk["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, [sdb.to_str().unwrap(), sdc.to_str().unwrap()]);
    installation.stop().await;
}

/// W54, and what must not happen to it.
#[tokio::test(flavor = "multi_thread")]
async fn orphaned_data_is_shown_kept_and_removed() {
    let installation = Installation::start(2).await;
    let node = installation.until_node("it is ready", |node| condition(node, "Ready").0 == "True").await;
    let (disk_name, disk) =
        node["disks"].as_object().unwrap().iter().next().map(|(name, disk)| (name.clone(), disk.clone())).unwrap();
    let path = PathBuf::from(disk["path"].as_str().unwrap());
    let first = make_replica_directory(&path, "lost-0a1b2c3d");
    let second = make_replica_directory(&path, "lost-11111111");
    std::fs::create_dir(path.join("replicas/not-a-replica")).unwrap();
    installation.nudge().await;
    let orphans = installation.until_orphans(2).await;
    let orphan = orphans.iter().find(|orphan| orphan["parameters"]["DataName"] == "lost-0a1b2c3d").unwrap();
    assert_eq!((&orphan["nodeID"], &orphan["orphanType"]), (&json!("node-1"), &json!("replica")));
    assert_eq!(orphan["parameters"]["DiskName"], json!(disk_name));
    let name = orphan["name"].as_str().unwrap().to_owned();

    // The disk's identity is gone, as when its mount is missing: the orphans stay, and nothing is removed.
    let identity = path.join("longhorn-disk.cfg");
    let kept = std::fs::read(&identity).unwrap();
    std::fs::remove_file(&identity).unwrap();
    installation.nudge().await;
    installation
        .until_node("the disk is not ready", |node| {
            condition(&node["disks"][&disk_name], "Ready") == ("False", "DiskFilesystemChanged")
        })
        .await;
    assert!(!identity.exists(), "a known disk does not get a new identity");
    assert_eq!(installation.orphans().await.len(), 2);
    let (status, answer) = installation.answer("DELETE", &format!("/v1/orphans/{name}"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(first.exists());

    // Back, and deleted by hand.
    std::fs::write(&identity, kept).unwrap();
    installation.nudge().await;
    installation
        .until_node("the disk is ready", |node| condition(&node["disks"][&disk_name], "Ready").0 == "True")
        .await;
    let deleted = async {
        // The orphan's own condition follows the node's.
        while installation.answer("DELETE", &format!("/v1/orphans/{name}"), Value::Null).await.0 == StatusCode::CONFLICT
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, deleted).await.unwrap();
    installation.until_orphans(1).await;
    assert!(!first.exists() && second.exists());

    // One that goes by itself is forgotten; the setting removes the other.
    installation.set("orphan-resource-auto-deletion-grace-period", "0").await;
    installation.set("orphan-resource-auto-deletion", "replica-data;instance").await;
    installation.until_orphans(0).await;
    assert!(!second.exists());
    assert!(path.join("replicas/not-a-replica").exists(), "what is no replica is nobody's business");
    installation.stop().await;
}

/// A process that no resource names, and the data that it holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_process_is_shown_and_stopped() {
    let installation = Installation::start(2).await;
    let node = installation.until_node("it is ready", |node| condition(node, "Ready").0 == "True").await;
    let disk = node["disks"].as_object().unwrap().values().next().unwrap().clone();
    let directory = format!("{}/replicas/stray-0a1b2c3d", disk["path"].as_str().unwrap());
    let layout = Layout::find(installation.path()).unwrap();
    let clients = Clients::new(layout.instance_manager_addresses(), Network::default());
    let mut manager = clients.manager("node-1").unwrap();
    let start = |disk_uuid: &str| InstanceStartRequest {
        name: "stray-r-0a1b2c3d".into(),
        volume: "stray".into(),
        spec: Some(instance_start_request::Spec::Replica(ReplicaSpec {
            directory: directory.clone(),
            size_bytes: 64 << 20,
            disk_uuid: disk_uuid.into(),
            ..ReplicaSpec::default()
        })),
    };
    let refused = manager.instance_start(start("another disk")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    assert!(!Path::new(&directory).exists(), "nothing is made on a wrong disk");
    manager.instance_start(start(disk["diskUUID"].as_str().unwrap())).await.unwrap();
    let made = async {
        while !Path::new(&directory).join("volume.meta").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, made).await.unwrap();
    installation.nudge().await;
    let orphans = installation.until_orphans(2).await;
    let of_kind = |kind: &str| orphans.iter().find(|orphan| orphan["orphanType"] == kind).unwrap()["name"].clone();
    let (data, process) = (of_kind("replica"), of_kind("replica-instance"));
    let delete = async |name: &Value| {
        let path = format!("/v1/orphans/{}", name.as_str().unwrap());
        installation.answer("DELETE", &path, Value::Null).await.0
    };
    // Data that a process holds stays until that has ended.
    assert_eq!(delete(&data).await, StatusCode::OK);
    assert_eq!(installation.orphans().await.len(), 2);
    assert!(Path::new(&directory).exists());
    assert_eq!(delete(&process).await, StatusCode::OK);
    installation.until_orphans(0).await;
    assert!(!Path::new(&directory).exists());
    let (_, managers) = installation.answer("GET", "/v1/instancemanagers", Value::Null).await;
    let none = managers["data"].as_array().unwrap().iter().all(|manager| manager["instanceReplicas"] == json!({}));
    assert!(none && managers["data"][0]["instances"].is_null(), "{managers:#}");
    let (_, images) = installation.answer("GET", "/v1/engineimages", Value::Null).await;
    let image = &images["data"][0];
    assert_eq!((&image["default"], &image["state"]), (&json!(true), &json!("deployed")), "{image:#}");
    assert_eq!(image["nodeDeploymentMap"], json!({"node-1": true, "node-2": true}));
    let path = format!("/v1/engineimages/{}", image["name"].as_str().unwrap());
    assert_eq!(installation.answer("DELETE", &path, Value::Null).await.0, StatusCode::CONFLICT);
    installation.stop().await;
}

/// A file system in a file, mounted; unmounted also when the test fails.
struct Mounted {
    point: PathBuf,
    image: PathBuf,
}

impl Mounted {
    /// None where mounting is not allowed.
    fn new(place: &Path) -> Option<Self> {
        let mounted = Self { point: place.join("mnt"), image: place.join("image") };
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        std::fs::File::create(&mounted.image).unwrap().set_len(200 << 20).unwrap();
        std::fs::create_dir(&mounted.point).unwrap();
        let formatted = Command::new("mkfs.ext4").arg("-qF").arg(&mounted.image).status();
        (formatted.is_ok_and(|status| status.success()) && mounted.mount()).then_some(mounted)
    }

    fn mount(&self) -> bool {
        let status = Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.point).status();
        status.is_ok_and(|status| status.success())
    }

    fn unmount(&self) {
        assert!(Command::new("umount").arg(&self.point).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.point).output();
    }
}

/// A disk whose mount is missing is no place for replicas, keeps its orphans, and is the same disk when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_unmounted_disk_is_missed_and_known_again() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let Some(mounted) = Mounted::new(place.path()) else { return };
    let installation = Installation::start(2).await;
    let node = installation.until_node("it is ready", |node| condition(node, "Ready").0 == "True").await;
    let mut disks = node["disks"].clone();
    disks["own"] = json!({"path": mounted.point, "allowScheduling": true});
    disks["within"] = json!({"path": mounted.point.join("x"), "allowScheduling": true});
    assert_eq!(installation.put_disks("node-1", disks.clone()).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    disks.as_object_mut().unwrap().remove("within");
    assert_eq!(installation.put_disks("node-1", disks).await.0, StatusCode::OK);
    let ready = |node: &Value| condition(&node["disks"]["own"], "Ready").0 == "True";
    let node = installation.until_node("the disk is ready", ready).await;
    let disk = &node["disks"]["own"];
    assert_eq!((&disk["filesystemType"], &disk["causes"]), (&json!("ext4"), &json!([])));
    let uuid = disk["diskUUID"].clone();
    make_replica_directory(&mounted.point, "lost-0a1b2c3d");
    installation.nudge().await;
    installation.until_orphans(1).await;

    mounted.unmount();
    installation.nudge().await;
    let node = installation.until_node("its absence is noticed", |node| !ready(node)).await;
    let disk = &node["disks"]["own"];
    assert_eq!(condition(disk, "Ready").1, "DiskFilesystemChanged");
    assert_eq!(condition(disk, "Schedulable"), ("False", "DiskNotReady"));
    assert_eq!(disk["diskUUID"], uuid);
    assert_eq!(std::fs::read_dir(&mounted.point).unwrap().count(), 0, "nothing is made in the empty mount point");
    assert_eq!(installation.orphans().await.len(), 1);

    assert!(mounted.mount());
    installation.nudge().await;
    let node = installation.until_node("it is back", ready).await;
    assert_eq!(node["disks"]["own"]["diskUUID"], uuid);
    installation.stop().await;
}

/// The setting default-data-path: where nodes that come later have their first disk. Those that have one keep it.
#[tokio::test(flavor = "multi_thread")]
async fn default_data_path_is_where_a_new_node_has_its_first_disk() {
    let mut installation = Installation::start(1).await;
    let path_of = |node: &Value| node["disks"].as_object().unwrap().values().next().unwrap()["path"].clone();
    let first = path_of(&installation.node("node-1").await);
    let elsewhere = installation.path().join("elsewhere");
    installation.set("default-data-path", elsewhere.to_str().unwrap()).await;
    installation.start_manager(2).await;
    assert_eq!(path_of(&installation.node("node-2").await), json!(elsewhere.join("node-2")));
    assert!(elsewhere.join("node-2").join("longhorn-disk.cfg").exists(), "it is a disk that can be used");
    assert_eq!(path_of(&installation.node("node-1").await), first);
    installation.stop().await;
}
