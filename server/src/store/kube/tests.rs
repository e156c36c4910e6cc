//! On a real API server; `make test-k8s` runs them. One control plane for each test: some of them end it.

use std::time::Duration;

use aurochs_e2e::ControlPlane;
use futures::FutureExt;

use super::super::tests::{Fixture, PROMISES, Place};
use super::super::{Store, StoreError, WatchEvent};
use super::*;
use crate::cluster::tests::{client, plane};
use crate::resources::volume::{VolumeSpec, VolumeState};
use crate::resources::{Engine, InstanceManager, Object, Setting, Volume};

/// Longest wait for a change that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(plane: &ControlPlane, namespace: &str) -> (Kube, Store) {
    let known = plane.kubectl(&["get", "namespace", namespace], "");
    if known.is_err() {
        plane.kubectl(&["create", "namespace", namespace], "").unwrap();
    }
    let kube = Kube::open(client(plane).await, namespace).await.unwrap();
    (kube.clone(), Store::new(Arc::new(kube)))
}

/// The next change of a volume that `is_it` takes.
async fn until(watch: &mut super::super::Watch<Volume>, is_it: impl Fn(&WatchEvent<Volume>) -> bool) {
    let found = async { while !is_it(&watch.next().await.unwrap()) {} };
    tokio::time::timeout(PATIENCE, found).await.expect("the change never came");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn what_every_keeper_promises() {
    let plane = plane().await;
    let client = client(&plane).await;
    let mut broken = Vec::new();
    for (name, promise) in PROMISES {
        let namespace = format!("p{}", name.replace('_', "-").chars().take(60).collect::<String>());
        plane.kubectl(&["create", "namespace", namespace.trim_end_matches('-')], "").unwrap();
        let place = Place::Namespace(client.clone(), namespace.trim_end_matches('-').to_owned());
        let fixture = Fixture::at(place).await;
        if tokio::spawn(std::panic::AssertUnwindSafe(promise(fixture)).catch_unwind())
            .await
            .is_ok_and(|done| done.is_err())
        {
            broken.push(name);
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn an_api_server_that_is_started_again_is_only_slow() {
    let mut plane = plane().await;
    let (_, store) = open(&plane, "a").await;
    let (_, other) = open(&plane, "a").await;
    let mut watch = other.watch::<Volume>();
    store.create(&Object::<Volume>::new("v", VolumeSpec::default())).await.unwrap();
    store.create(&Object::<Volume>::new("goes", VolumeSpec::default())).await.unwrap();
    until(&mut watch, |event| event.object().name() == "goes").await;

    plane.kill_api_server();
    // Reads go on; a write waits for it.
    assert_eq!(store.list::<Volume>().await.unwrap().len(), 2);
    let writer = store.clone();
    let write = tokio::spawn(async move {
        let deleted = writer.delete::<Volume>("goes").await;
        deleted.unwrap();
        writer.remove_finalizer::<Volume>("goes").await.unwrap();
        writer.modify::<Volume>("v", |volume| volume.spec.node_id = "node-1".into()).await
    });
    plane.start_api_server().await;
    assert_eq!(write.await.unwrap().unwrap().spec.node_id, "node-1");
    assert!(store.find::<Volume>("goes").await.unwrap().is_none());
    until(&mut watch, |event| matches!(event, WatchEvent::Deleted(volume) if volume.name() == "goes")).await;
    until(&mut watch, |event| event.object().spec.node_id == "node-1").await;
    assert_eq!(other.get::<Volume>("v").await.unwrap().spec.node_id, "node-1");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn what_people_do_with_kubectl_is_seen_and_shown() {
    let plane = plane().await;
    let (kube, store) = open(&plane, "a").await;
    let mut watch = store.watch::<Volume>();
    // As Longhorn's users write it: no word of what has a default, a null where Longhorn would write one.
    let volume = "apiVersion: longhorn.io/v1beta2\nkind: Volume\nmetadata:\n  name: v\n  namespace: a\nspec:\n  size: \
                  \"1073741824\"\n  frontend: blockdev\n  numberOfReplicas: 2\n  diskSelector: null\n";
    plane.kubectl(&["apply", "-f", "-"], volume).unwrap();
    until(&mut watch, |event| event.object().name() == "v").await;
    let read = store.get::<Volume>("v").await.unwrap();
    assert_eq!((read.spec.number_of_replicas, read.spec.size.bytes()), (2, 1 << 30));
    // Who made it did not know that there is something to be cleaned up.
    let adopting = crate::cluster::adopt::start(&store);
    until(&mut watch, |event| event.object().metadata.finalizers == [GROUP]).await;
    adopting.iter().for_each(JoinHandle::abort);
    store.modify_status::<Volume>("v", |status| status.state = VolumeState::Attached).await.unwrap();
    let table = plane.kubectl(&["-n", "a", "get", "lhv"], "").unwrap();
    let (head, row) = table.trim().split_once('\n').unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(head),
        ["NAME", "DATA", "ENGINE", "STATE", "ROBUSTNESS", "SCHEDULED", "SIZE", "NODE", "SWITCHOVER", "AGE"]
    );
    assert!(row.contains("attached") && row.contains("1073741824"), "{row}");

    let setting = "apiVersion: longhorn.io/v1beta2\nkind: Setting\nmetadata: {name: s, namespace: a}\nvalue: \"3\"\n";
    plane.kubectl(&["apply", "-f", "-"], setting).unwrap();
    kube.kind("settings").unwrap().picture.until(|state| state.get("s").is_some()).await;
    assert_eq!(store.get::<Setting>("s").await.unwrap().spec.value, "3");
    store.modify::<Setting>("s", |setting| setting.spec.value = "4".into()).await.unwrap();
    let value = plane.kubectl(&["-n", "a", "get", "lhs", "s", "-o", "jsonpath={.value}"], "").unwrap();
    assert_eq!(value, "4");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn what_others_wrote_beside_ours_stays() {
    let plane = plane().await;
    let (kube, store) = open(&plane, "a").await;
    store.create(&Object::<InstanceManager>::new("im", Default::default())).await.unwrap();
    // A field that only Longhorn has.
    let status = r#"{"status": {"proxyApiVersion": 7}}"#;
    let patch = ["-n", "a", "patch", "lhim", "im", "--subresource=status", "--type=merge", "-p", status];
    plane.kubectl(&patch, "").unwrap();
    let is_there = |state: &State| state.get("im").is_some_and(|object| object.status["proxyApiVersion"] == 7);
    kube.kind("instancemanagers").unwrap().picture.until(is_there).await;
    store.modify_status::<InstanceManager>("im", |status| status.pid = 5).await.unwrap();
    let path = "jsonpath={.status.proxyApiVersion} {.status.pid}";
    assert_eq!(plane.kubectl(&["-n", "a", "get", "lhim", "im", "-o", path], "").unwrap(), "7 5");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn what_changes_nothing_is_not_sent_and_what_breaks_a_rule_is_explained() {
    let plane = plane().await;
    let (kube, store) = open(&plane, "a").await;
    let engine = store.create(&Object::<Engine>::new("e", Default::default())).await.unwrap();
    let told = store.update_status(&engine).await.unwrap();
    let sent = kube.writes();
    for _ in 0..10 {
        let same = store.update_status(&told).await.unwrap();
        store.update(&same).await.unwrap();
    }
    assert_eq!(kube.writes(), sent);
    let bad = VolumeSpec { rebuild_concurrent_sync_limit: 9, ..VolumeSpec::default() };
    let refused = store.create(&Object::<Volume>::new("v", bad)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Refused { why, .. } if why.contains("rebuildConcurrentSyncLimit")),
        "{refused}"
    );
    let refused = store.create(&Object::<Volume>::new("No Name", VolumeSpec::default())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn a_cluster_without_our_kinds_is_told() {
    let plane = ControlPlane::start().await;
    let refused = Kube::open(client(&plane).await, "a").await.err().unwrap();
    assert!(matches!(refused, OpenError::NoDefinition(_)), "{refused}");
}
