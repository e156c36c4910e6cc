//! Nodes and their disks over REST.

use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_server::environment::premises::Premises;
use aurochs_server::resources::engine::{EngineSpec, InstanceState};
use aurochs_server::resources::node::{NodeStatus, READY};
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::volume::VolumeSpec;
use aurochs_server::resources::{Engine, LABEL_NODE, Node, Object, Replica, Volume, condition};
use axum::http::StatusCode;
use serde_json::json;

use crate::harness::Manager;

#[tokio::test]
async fn a_node_keeps_what_an_update_does_not_mention() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let answer = manager.call("PUT", "/v1/nodes/node-1", r#"{"tags": ["ssd", " ssd ", "fast"]}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let node = answer.json();
    assert_eq!(node["tags"], json!(["fast", "ssd"]));
    assert_eq!(node["allowScheduling"], true);
    let node = manager.call("PUT", "/v1/nodes/node-1", r#"{"allowScheduling": false}"#).await.json();
    assert_eq!((node["allowScheduling"].as_bool(), &node["tags"]), (Some(false), &json!(["fast", "ssd"])));
    let refused = manager.call("PUT", "/v1/nodes/node-1", r#"{"tags": ["a b"]}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(manager.call("PUT", "/v1/nodes/none", "{}").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn figures_of_disks_are_numbers() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let list = manager.get("/v1/nodes").await.json();
    let node = &list["data"][0];
    assert_eq!(node["disks"]["disk-1"]["storageMaximum"], 1_u64 << 40);
    assert_eq!(node["conditions"]["Ready"]["status"], "True");
    assert_eq!(node["actions"]["diskUpdate"], "http://manager:9500/v1/nodes/node-1?action=diskUpdate");
}

#[tokio::test]
async fn what_a_node_can_not_do_is_refused_by_name() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    for (query, words) in
        [("?action=reboot", "a node has no action \"reboot\""), ("", "a POST to a node needs an action")]
    {
        let answer = manager.post(&format!("/v1/nodes/node-1{query}"), json!({})).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{answer:?}");
        assert_eq!(answer.json()["message"], words);
    }
    let answer = manager.call("POST", "/v1/nodes/none?action=diskUpdate", "{\"disks\": 5}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn disks_are_replaced_as_a_whole() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let update = |disks| manager.post("/v1/nodes/node-1?action=diskUpdate", json!({"disks": disks}));
    // As the dashboard does it: the disks as they were told, with one more.
    let mut disks = manager.get("/v1/nodes/node-1").await.json()["disks"].clone();
    disks["disk-2"] = json!({"path": "/data/second", "allowScheduling": true, "storageReserved": 5});
    let node = update(disks.clone()).await.json();
    assert_eq!(node["disks"]["disk-2"]["storageReserved"], 5);
    assert_eq!(node["disks"]["disk-1"]["path"], "/data/node-1");

    let change = |name: &str, key: &str, value: serde_json::Value| {
        let mut disks = disks.clone();
        disks[name][key] = value;
        disks
    };
    for (wished, status, words) in [
        (change("disk-2", "path", json!("relative")), 422, "absolute"),
        (change("disk-3", "path", json!("/data/../etc")), 422, "absolute"),
        (change("disk-3", "path", json!("/data/second/")), 422, "same path"),
        (change("disk-3", "path", json!("/data/second/below")), 422, "lies within"),
        (change("disk-3", "path", json!("/")), 422, "root directory"),
        (change("disk-3", "path", json!("/mnt/a\nforged")), 422, "control characters"),
        (change("disk-2", "tags", json!((0..65).map(|at| format!("t{at}")).collect::<Vec<_>>())), 422, "65 tags"),
        (change("disk-2", "tags", json!(["x".repeat(64)])), 422, "validating tags"),
        ((0..129).map(|at| (format!("d{at}"), json!({"path": format!("/d/{at}")}))).collect(), 422, "129 disks"),
        (change("disk-1", "path", json!("/elsewhere")), 422, "can't be changed"),
        (change("disk-1", "evictionRequested", json!(true)), 422, "need to disable scheduling"),
        (change("disk-1", "diskDriver", json!("nvme")), 422, "block disks only"),
        (change("disk-1", "storageReserved", json!(1_u64 << 41)), 422, "can't be reserved"),
        (change("disk-1", "diskType", json!("block")), 422, "this version has no block disks yet"),
        (json!({}), 409, "can't be taken away"),
    ] {
        let answer = update(wished).await;
        assert_eq!(answer.status.as_u16(), status, "{words}: {answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{words}: {answer:?}");
    }
    let mut off = disks.clone();
    off["disk-2"]["allowScheduling"] = json!(false);
    update(off.clone()).await;
    off.as_object_mut().unwrap().remove("disk-2");
    let node = update(off).await.json();
    assert_eq!(node["disks"].as_object().unwrap().len(), 1, "an idle disk that is switched off can go");

    // What was reserved when the disk was larger, and is sent back as it was read.
    let reserve = |node: &mut Object<Node>| {
        node.spec.disks.values_mut().for_each(|disk| disk.storage_reserved = ByteSize(1 << 41));
    };
    manager.store().modify::<Node>("node-1", reserve).await.unwrap();
    let same = manager.get("/v1/nodes/node-1").await.json()["disks"].clone();
    assert_eq!(update(same).await.status, StatusCode::OK);
}

/// behaviour.md, admission of nodes: what is emptied takes nothing new.
#[tokio::test]
async fn eviction_needs_scheduling_off() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let put = |body: serde_json::Value| {
        let manager = &manager;
        async move { manager.call("PUT", "/v1/nodes/node-1", &body.to_string()).await }
    };
    let refused = put(json!({"evictionRequested": true})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    assert!(refused.json()["message"].as_str().unwrap().contains("need to disable scheduling on node node-1"));
    assert_eq!(manager.get("/v1/nodes/node-1").await.json()["evictionRequested"], false);
    let both = put(json!({"evictionRequested": true, "allowScheduling": false})).await;
    assert_eq!(both.status, StatusCode::OK, "{both:?}");
    assert_eq!(put(json!({"allowScheduling": true})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(put(json!({"allowScheduling": true, "evictionRequested": false})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_node_is_cordoned_labelled_and_annotated() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let body = json!({
        "cordoned": true,
        "labels": {"topology.kubernetes.io/zone": "a", "node.longhorn.io/create-default-disk": "config"},
        "annotations": {"node.longhorn.io/default-disks-config": "[{\"path\":\"/mnt/a\"}]"},
    });
    let node = manager.call("PUT", "/v1/nodes/node-1", &body.to_string()).await.json();
    assert_eq!(node["cordoned"], true);
    assert_eq!((&node["labels"], &node["annotations"]), (&body["labels"], &body["annotations"]));
    assert_eq!(node["allowScheduling"], true);
    for wrong in [
        json!({"labels": {"": "a"}}),
        json!({"labels": {"a b": "c"}}),
        json!({"labels": {"a": "b c"}}),
        json!({"labels": {"a": "-b"}}),
        json!({"labels": {"a": "x".repeat(64)}}),
        json!({"labels": (0..65).map(|at| (format!("l{at}"), json!("v"))).collect::<serde_json::Map<_, _>>()}),
        json!({"annotations": {"a/": "b"}}),
        json!({"annotations": {"a": "x".repeat(300_000)}}),
    ] {
        let answer = manager.call("PUT", "/v1/nodes/node-1", &wrong.to_string()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let same = manager.get("/v1/nodes/node-1").await.json();
    assert_eq!(same["labels"], body["labels"], "a refused change changes nothing");
}

/// behaviour.md, admission of nodes: delete only one that is gone, takes nothing new, and has nothing on it.
#[tokio::test]
async fn a_node_is_deleted_only_when_it_is_gone_and_empty() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let delete = || manager.call("DELETE", "/v1/nodes/node-1", "");
    let refused = async |words: &str| {
        let answer = delete().await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{words}: {answer:?}");
    };
    refused("it is up").await;
    let down = |status: &mut NodeStatus| {
        condition::set(&mut status.conditions, READY, ConditionStatus::False, "ManagerPodDown", "");
    };
    manager.store().modify_status::<Node>("node-1", down).await.unwrap();
    refused("its scheduling is switched on").await;
    manager.call("PUT", "/v1/nodes/node-1", r#"{"allowScheduling": false}"#).await;

    manager.store().create(&Object::<Volume>::new("v", VolumeSpec::default())).await.unwrap();
    let spec = ReplicaSpec { node_id: "node-1".into(), volume_name: "v".into(), ..ReplicaSpec::default() };
    let mut replica = Object::<Replica>::new("v-r-00000001", spec);
    replica.metadata.labels.insert(LABEL_NODE.into(), "node-1".into());
    manager.store().create(&replica).await.unwrap();
    refused("1 replica is on it").await;
    manager.store().remove_finalizer::<Replica>("v-r-00000001").await.unwrap();
    manager.store().delete::<Replica>("v-r-00000001").await.unwrap();

    let spec = EngineSpec {
        node_id: "node-1".into(),
        desire_state: InstanceState::Running,
        volume_name: "v".into(),
        ..EngineSpec::default()
    };
    manager.store().create(&Object::<Engine>::new("v-e-0", spec)).await.unwrap();
    refused("1 volume is attached to it").await;
    manager
        .store()
        .modify::<Engine>("v-e-0", |engine| engine.spec.desire_state = InstanceState::Stopped)
        .await
        .unwrap();

    assert_eq!(delete().await.status, StatusCode::OK);
    assert!(manager.store().get::<Node>("node-1").await.unwrap().is_deleting());
    assert_eq!(delete().await.status, StatusCode::OK, "asked twice");
    assert_eq!(manager.call("DELETE", "/v1/nodes/none", "").await.status, StatusCode::NOT_FOUND);
}

/// Longhorn's rule for a disk that is taken away, with replicas that the node has not told of yet.
#[tokio::test]
async fn a_disk_with_a_replica_stays() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let spec = ReplicaSpec { node_id: "node-1".into(), disk_path: "/data/node-1".into(), ..ReplicaSpec::default() };
    let mut replica = Object::<Replica>::new("v-r-00000001", spec);
    replica.metadata.labels.insert(LABEL_NODE.into(), "node-1".into());
    manager.store().create(&replica).await.unwrap();
    let off = json!({"disks": {"disk-1": {"path": "/data/node-1", "allowScheduling": false}}});
    assert_eq!(manager.post("/v1/nodes/node-1?action=diskUpdate", off).await.status, StatusCode::OK);
    let answer = manager.post("/v1/nodes/node-1?action=diskUpdate", json!({"disks": {}})).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.json()["message"].as_str().unwrap().contains("1 replica is on it"), "{answer:?}");
}

#[tokio::test]
async fn a_disk_of_one_machine_lies_apart_from_the_disks_of_other_nodes() {
    let mut manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_node("node-2", 1 << 40).await;
    let root = manager.directory.path().canonicalize().unwrap();
    let own_nodes = ["node-1", "node-2"].map(|node| (node.to_owned(), format!("/data/{node}").into()));
    manager.set_premises(Premises::new(&root, [root.join("records")], own_nodes.into()));
    std::fs::create_dir(root.join("second")).unwrap();
    std::os::unix::fs::symlink(root.join("second"), root.join("link")).unwrap();
    let move_there = |node: &mut Object<Node>| {
        node.spec.disks.get_mut("disk-1").unwrap().path = root.join("second").display().to_string();
    };
    manager.store().modify::<Node>("node-2", move_there).await.unwrap();
    for (path, words) in [
        (root.join("second/below").display().to_string(), "lies within disk disk-1 of node-2"),
        (root.join("link").display().to_string(), "same path"),
        (root.join("records/x").display().to_string(), "the manager keeps its own files"),
    ] {
        let disks = json!({"disk-1": {"path": "/data/node-1", "allowScheduling": true}, "new": {"path": path}});
        let answer = manager.post("/v1/nodes/node-1?action=diskUpdate", json!({"disks": disks})).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {answer:?}");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{path}: {answer:?}");
    }
    // The same path of another machine is another place.
    manager.add_node("elsewhere", 1 << 40).await;
    let below = root.join("second/below").display().to_string();
    let disks = json!({"disk-1": {"path": "/data/elsewhere", "allowScheduling": true}, "new": {"path": below}});
    let answer = manager.post("/v1/nodes/elsewhere?action=diskUpdate", json!({"disks": disks})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}
