//! Searches over a store, and how long they take with many things.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::resources::node::{DiskSpec, NodeSpec};
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::volume::{KubernetesStatus, Robustness, VolumeStatus};
use crate::resources::{Object, Volume};
use crate::store::sqlite::Sqlite;
use aurochs_api::volume::WorkloadStatus;

struct World {
    index: Index,
    store: Store,
    _directory: tempfile::TempDir,
}

impl World {
    /// A store that keeps few changes for who does not look.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open_buffered(&directory.path().join("aurochs.db"), 64).await.unwrap();
        let store = Store::new(Arc::new(sqlite));
        Self { index: Index::new(&store, &Settings::default()), store, _directory: directory }
    }

    async fn volume(&self, name: &str, tell: impl Fn(&mut VolumeStatus) + Send) {
        self.store.create(&Object::<Volume>::new(name, Default::default())).await.unwrap();
        self.store.modify_status::<Volume>(name, tell).await.unwrap();
    }

    async fn ask(&self, words: &str, kinds: &[FoundKind]) -> Findings {
        let kinds = kinds.iter().copied().collect();
        self.index.search(&Words::of(words), &kinds, RESULTS_DEFAULT).await.unwrap()
    }

    async fn names(&self, words: &str) -> Vec<String> {
        let found = self.ask(words, &[FoundKind::Volume, FoundKind::Node, FoundKind::Disk, FoundKind::Snapshot]).await;
        found.results.into_iter().map(|found| found.name).collect()
    }
}

#[tokio::test]
async fn volumes_are_found_by_claims_pods_and_labels() {
    let world = World::new().await;
    world
        .volume("pvc-1", |status| {
            status.kubernetes_status = KubernetesStatus {
                namespace: "shop".into(),
                pvc_name: "database".into(),
                pv_name: "pvc-1".into(),
                workloads_status: Some(vec![WorkloadStatus { pod_name: "mysql-0".into(), ..Default::default() }]),
                ..Default::default()
            };
        })
        .await;
    let found = world.ask("shop MYSQL", &[]).await;
    assert_eq!(found.results.len(), 1, "{found:?}");
    let volume = &found.results[0];
    assert_eq!((volume.name.as_str(), volume.address.as_str()), ("pvc-1", "/v1/volumes/pvc-1"));
    assert_eq!(volume.matched, "namespace shop");
    assert!(volume.context.contains("shop/database"), "{volume:?}");
    assert_eq!(found.counts[&FoundKind::Volume], 1);
    assert_eq!(found.counts.len(), FoundKind::ALL.len(), "also of those of which there are none");

    let label = |volume: &mut Object<Volume>| drop(volume.metadata.labels.insert("team".into(), "blue".into()));
    world.store.modify::<Volume>("pvc-1", label).await.unwrap();
    assert_eq!(world.ask("team=blue", &[]).await.results[0].matched, "label team=blue");
}

#[tokio::test]
async fn a_search_sees_what_was_written_before_it() {
    let world = World::new().await;
    assert!(world.names("data").await.is_empty());
    world.volume("data", |_| {}).await;
    assert_eq!(world.names("data").await, ["data"]);
    let spec = SnapshotSpec { volume: "data".into(), ..SnapshotSpec::default() };
    world.store.create(&Object::<Snapshot>::new("nightly-1", spec)).await.unwrap();
    assert_eq!(world.names("data").await, ["data", "nightly-1"], "by its volume, after the volume");
    let disks = [("fast".to_owned(), DiskSpec { path: "/data".into(), ..DiskSpec::default() })].into();
    world.store.create(&Object::<Node>::new("node-1", NodeSpec { disks, ..NodeSpec::default() })).await.unwrap();
    assert_eq!(world.names("fast").await, ["node-1/fast"]);
    let change = |node: &mut Object<Node>| node.spec.disks.clear();
    world.store.modify::<Node>("node-1", change).await.unwrap();
    assert!(world.names("fast").await.is_empty());
    world.store.delete::<Snapshot>("nightly-1").await.unwrap();
    world.store.remove_finalizer::<Snapshot>("nightly-1").await.unwrap();
    assert_eq!(world.names("data").await, ["data"]);
    // More changes than are kept for who does not look.
    for _ in 0..100 {
        let flip = |node: &mut Object<Node>| node.spec.allow_scheduling = !node.spec.allow_scheduling;
        world.store.modify::<Node>("node-1", flip).await.unwrap();
    }
    world.volume("data-2", |_| {}).await;
    assert_eq!(world.names("data").await, ["data", "data-2"]);
}

#[tokio::test]
async fn of_equals_those_with_trouble_come_first_and_settings_are_found_by_their_words() {
    let world = World::new().await;
    for (name, robustness) in
        [("db-1", Robustness::Healthy), ("db-2", Robustness::Faulted), ("db-3", Robustness::Degraded)]
    {
        world.volume(name, |status| status.robustness = robustness).await;
    }
    assert_eq!(world.names("db").await, ["db-2", "db-3", "db-1"]);
    let found = world.ask("over-provisioning", &[FoundKind::Setting]).await;
    assert_eq!(found.results[0].name, "storage-over-provisioning-percentage");
    assert_eq!(found.counts.keys().copied().collect::<Vec<_>>(), [FoundKind::Setting]);
    let one = world.index.search(&Words::of("db"), &BTreeSet::new(), 1).await.unwrap();
    assert_eq!((one.results.len(), one.counts[&FoundKind::Volume]), (1, 3), "counted beyond what is listed");
}

/// What is told in the module's tour: run it to see the times.
#[test]
fn among_many() {
    [5_000, 10_000].into_iter().for_each(among);
}

/// So many volumes with ten snapshots each.
fn among(count: usize) {
    let (mut volumes, mut snapshots) = (Shelf::<Volume>::default(), Shelf::<Snapshot>::default());
    for number in 0..count {
        let mut volume =
            Object::<Volume>::new(format!("pvc-{number:08x}-4a5f-4b3e-9d1a-{number:012}"), Default::default());
        volume.status.kubernetes_status.namespace = format!("namespace-{}", number % 100);
        volume.status.kubernetes_status.pvc_name = format!("data-of-application-{number}");
        volumes.put(&volume.metadata.name.clone(), Some(&volume));
        for child in 0..10 {
            let mut snapshot = Object::<Snapshot>::new(format!("nightly-{number}-{child}"), Default::default());
            snapshot.spec.volume.clone_from(&volume.metadata.name);
            snapshot.spec.labels.insert("RecurringJob".into(), "nightly".into());
            snapshots.put(&snapshot.metadata.name.clone(), Some(&snapshot));
        }
    }
    for asked in ["application-77", "nightly", "namespace-5 data", "nothing-has-this"] {
        let (words, kinds, started) = (Words::of(asked), BTreeSet::new(), Instant::now());
        let mut best = Best::new(&kinds, RESULTS_DEFAULT);
        volumes.collect(&words, &mut best);
        snapshots.collect(&words, &mut best);
        let (counts, places) = best.done();
        eprintln!("{asked:?} among {count} volumes: {:?}", started.elapsed());
        assert_eq!(places.len(), usize::try_from(counts.values().sum::<u64>()).unwrap().min(RESULTS_DEFAULT));
    }
}
