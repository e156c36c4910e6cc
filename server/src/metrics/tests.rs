//! The page against Longhorn's names and labels, read by a parser that is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::backing_image::FileState;
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::{RebuildStatus, Robustness, VolumeState};
use axum::http::{Method, StatusCode};
use prometheus_parse::{Scrape, Value};

use super::collect;
use crate::controllers::queue::WorkQueue;
use crate::resources::backup::BackupSpec;
use crate::resources::backup_volume::BackupVolumeSpec;
use crate::resources::engine::{EngineSpec, InstanceState};
use crate::resources::instance_manager::InstanceManagerSpec;
use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec};
use crate::resources::replica::ReplicaSpec;
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::volume::VolumeSpec;
use crate::resources::{
    BackingImage, Backup, BackupBackingImage, BackupTarget, BackupVolume, Engine, InstanceManager, Node, Object,
    Replica, Snapshot, Volume, condition,
};
use crate::store::Store;
use crate::store::sqlite::Sqlite;

/// Longhorn's metrics: name, labels, and what is missing for those that are left out.
const LONGHORNS: &str = include_str!("longhorn.tsv");
const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

fn rows() -> impl Iterator<Item = (&'static str, BTreeSet<&'static str>, &'static str)> {
    LONGHORNS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[0], fields[1].split(", ").filter(|label| !label.is_empty()).collect(), fields[2])
    })
}

/// Something of everything, under names with quotes in them.
async fn store(directory: &tempfile::TempDir) -> Store {
    let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("db")).await.unwrap()));
    let spec = VolumeSpec { size: ByteSize(10 << 30), ..VolumeSpec::default() };
    store.create(&Object::<Volume>::new("data", spec)).await.unwrap();
    let change = |status: &mut crate::resources::volume::VolumeStatus| {
        (status.state, status.robustness) = (VolumeState::Attached, Robustness::Degraded);
        (status.current_node_id, status.actual_size) = ("node-1".into(), ByteSize(3 << 30));
    };
    store.modify_status::<Volume>("data", change).await.unwrap();
    let spec = EngineSpec { volume_name: "data".into(), node_id: "node-1".into(), ..EngineSpec::default() };
    store.create(&Object::<Engine>::new("data-e-0", spec)).await.unwrap();
    let change = |status: &mut crate::resources::engine::EngineStatus| {
        status.current_state = InstanceState::Running;
        status.replica_mode_map.insert("data-r-1".into(), aurochs_api::replica::ReplicaMode::WriteOnly);
        let rebuild = RebuildStatus {
            is_rebuilding: true,
            progress: 42,
            from_replica_list: vec!["data-r-2".into()],
            ..RebuildStatus::default()
        };
        status.rebuild_status.insert("data-r-1".into(), rebuild);
    };
    store.modify_status::<Engine>("data-e-0", change).await.unwrap();
    let spec = ReplicaSpec { volume_name: "data".into(), disk_path: "/a \"b\"\\c".into(), ..ReplicaSpec::default() };
    store.create(&Object::<Replica>::new("data-r-1", spec)).await.unwrap();
    let spec = SnapshotSpec { volume: "data".into(), ..SnapshotSpec::default() };
    store.create(&Object::<Snapshot>::new("s-1", spec)).await.unwrap();
    store.create(&Object::<BackupTarget>::new("default", Default::default())).await.unwrap();
    store.create(&Object::<BackingImage>::new("debian", Default::default())).await.unwrap();
    let change = |status: &mut crate::resources::backing_image::BackingImageStatus| {
        status.real_size = ByteSize(12);
        status.disk_file_status_map.entry("d-uuid".into()).or_default().state = FileState::Ready;
    };
    store.modify_status::<BackingImage>("debian", change).await.unwrap();
    store.create(&Object::<BackupBackingImage>::new("debian-1", Default::default())).await.unwrap();
    let spec = BackupVolumeSpec {
        volume_name: "data".into(),
        backup_target_name: "default".into(),
        ..BackupVolumeSpec::default()
    };
    store.create(&Object::<BackupVolume>::new("data-1", spec)).await.unwrap();
    let mut backup = Object::<Backup>::new("backup-1", BackupSpec::default());
    backup.metadata.labels = [("backup-target", "default"), ("backup-volume", "data")]
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into();
    store.create(&backup).await.unwrap();
    let change = |status: &mut crate::resources::backup::BackupStatus| {
        (status.state, status.size) = (crate::resources::backup::BackupState::Completed, "4194304".into());
        status.newly_upload_data_size = "77".into();
    };
    store.modify_status::<Backup>("backup-1", change).await.unwrap();
    let disks = [("d-1".to_owned(), DiskSpec { storage_reserved: ByteSize(5), ..DiskSpec::default() })].into();
    store.create(&Object::<Node>::new("node-1", NodeSpec { disks, ..NodeSpec::default() })).await.unwrap();
    let change = |status: &mut crate::resources::node::NodeStatus| {
        condition::set(&mut status.conditions, "Ready", ConditionStatus::True, "", "");
        let mut disk =
            DiskStatus { storage_maximum: ByteSize(100), storage_available: ByteSize(30), ..DiskStatus::default() };
        disk.disk_uuid = "d-uuid".into();
        condition::set(&mut disk.conditions, "Schedulable", ConditionStatus::False, "DiskPressure", "full");
        status.disk_status.insert("d-1".into(), disk);
    };
    store.modify_status::<Node>("node-1", change).await.unwrap();
    let spec = InstanceManagerSpec { node_id: "node-1".into(), kind: "aio".into(), ..InstanceManagerSpec::default() };
    store.create(&Object::<InstanceManager>::new("im-1", spec)).await.unwrap();
    store
}

async fn scrape() -> Scrape {
    let directory = tempfile::tempdir().unwrap();
    let page = collect::page(&store(&directory).await).await.unwrap();
    Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    let found: Vec<_> = scrape.samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}");
    match &found[0].value {
        Value::Gauge(value) | Value::Counter(value) | Value::Untyped(value) => *value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn names_and_labels_are_longhorns() {
    let scrape = scrape().await;
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for sample in &scrape.samples {
        labels.entry(&sample.metric).or_default().extend(sample.labels.keys().map(String::as_str));
    }
    // Nobody's processes are there to be counted in this test.
    let unseen = ["longhorn_instance_manager_cpu_usage_millicpu", "longhorn_instance_manager_memory_usage_bytes"];
    for (name, expected, missing) in rows() {
        match (labels.get(name), missing) {
            (Some(found), "") => assert_eq!(found, &expected, "{name}"),
            (None, "") => assert!(unseen.contains(&name), "{name} is not told"),
            (Some(_), _) => panic!("{name} is told, and the table says that it is not"),
            (None, _) => {}
        }
        assert!(DOCUMENT.contains(&format!("`{name}`")), "docs/metrics.md says nothing of {name}");
    }
    let known: BTreeSet<&str> = rows().map(|(name, ..)| name).collect();
    for name in labels.keys().filter(|name| name.starts_with("longhorn_") && !name.contains("_workqueue_")) {
        assert!(known.contains(name), "{name} is not Longhorn's");
    }
    // A test beside this one may have asked for something: a histogram has its help under its own name.
    let of_histogram =
        |name: &str| ["_count", "_sum"].iter().find_map(|part| name.strip_suffix(part).map(str::to_owned));
    for name in labels.keys() {
        let family = of_histogram(name).unwrap_or_default();
        assert!(scrape.docs.contains_key(*name) || scrape.docs.contains_key(&family), "{name} has no help");
    }
}

#[tokio::test]
async fn the_numbers_are_those_of_the_resources() {
    let scrape = scrape().await;
    let volume = ("volume", "data");
    for (name, labels, expected) in [
        ("longhorn_volume_capacity_bytes", &[volume, ("node", "node-1"), ("pvc", "")][..], 10_737_418_240.0),
        ("longhorn_volume_actual_size_bytes", &[volume], 3_221_225_472.0),
        ("longhorn_backup_state", &[volume, ("backup", "backup-1")], 3.0),
        ("longhorn_backup_uploaded_data_size_bytes", &[volume, ("backup", "backup-1")], 77.0),
        ("longhorn_backing_image_actual_size_bytes", &[("backing_image", "debian"), ("disk", "d-1")], 12.0),
        ("longhorn_backing_image_state", &[("backing_image", "debian"), ("node", "node-1")], 4.0),
        ("longhorn_backup_backing_image_state", &[("backup_backing_image", "debian-1")], 0.0),
        ("longhorn_backup_volume_backups_count", &[("backup_volume", "data-1")], 1.0),
        ("longhorn_volume_state", &[volume, ("state", "attached")], 1.0),
        ("longhorn_volume_state", &[volume, ("state", "detached")], 0.0),
        ("longhorn_volume_robustness", &[volume, ("state", "degraded")], 1.0),
        ("longhorn_volume_robustness", &[volume, ("state", "healthy")], 0.0),
        ("longhorn_engine_state", &[volume, ("state", "running")], 1.0),
        ("longhorn_engine_replica_mode", &[("replica", "data-r-1"), ("mode", "WO")], 1.0),
        ("longhorn_engine_rebuild_progress", &[("rebuild_src", "data-r-2"), ("rebuild_dst", "data-r-1")], 42.0),
        ("longhorn_replica_info", &[("replica", "data-r-1")], 1.0),
        ("longhorn_node_status", &[("condition", "ready")], 1.0),
        ("longhorn_node_status", &[("condition", "allowScheduling")], 0.0),
        ("longhorn_disk_status", &[("condition", "schedulable"), ("condition_reason", "DiskPressure")], 0.0),
        ("longhorn_disk_usage_bytes", &[("disk", "d-1")], 70.0),
        ("longhorn_node_storage_reservation_bytes", &[("node", "node-1")], 5.0),
        ("longhorn_node_count_total", &[], 1.0),
    ] {
        assert!((value(&scrape, name, labels) - expected).abs() < f64::EPSILON, "{name} {labels:?}");
    }
    let states = scrape.samples.iter().filter(|sample| sample.metric == "longhorn_volume_state").count();
    assert_eq!(states, 6, "one sample for each state");
}

#[tokio::test]
async fn work_and_answers_are_counted() {
    let queue = WorkQueue::default();
    super::work::watch("test-of-metrics", &queue);
    queue.add("a");
    super::requests::answered(&Method::GET, "/v1/test-of-metrics", StatusCode::OK, Duration::from_millis(3));
    super::requests::answered(&Method::GET, "/v1/test-of-metrics", StatusCode::OK, Duration::from_millis(30));
    let scrape = scrape().await;
    let name = [("name", "test-of-metrics")];
    assert!((value(&scrape, "longhorn_workqueue_depth", &name) - 1.0).abs() < f64::EPSILON);
    assert!((value(&scrape, "longhorn_workqueue_adds_total", &name) - 1.0).abs() < f64::EPSILON);
    let histogram = scrape
        .samples
        .iter()
        .find(|sample| {
            sample.metric == "aurochs_api_request_duration_seconds"
                && sample.labels.get("route") == Some("/v1/test-of-metrics")
        })
        .unwrap();
    let Value::Histogram(buckets) = &histogram.value else { panic!("{histogram:?}") };
    let up_to = |bound: f64| buckets.iter().find(|bucket| (bucket.less_than - bound).abs() < 1e-9).unwrap().count;
    assert!((up_to(0.005) - 1.0).abs() < f64::EPSILON && (up_to(0.05) - 2.0).abs() < f64::EPSILON);
}

/// A page that fails leaves a cluster without any metrics.
#[tokio::test]
async fn absurd_reservations_are_no_end_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("db")).await.unwrap()));
    let disk = || DiskSpec { storage_reserved: ByteSize(u64::MAX), ..DiskSpec::default() };
    let disks = [("a".to_owned(), disk()), ("b".to_owned(), disk())].into();
    store.create(&Object::<Node>::new("node-1", NodeSpec { disks, ..NodeSpec::default() })).await.unwrap();
    let seen = |status: &mut crate::resources::node::NodeStatus| {
        status.disk_status = ["a", "b"].map(|disk| (disk.to_owned(), DiskStatus::default())).into();
    };
    store.modify_status::<Node>("node-1", seen).await.unwrap();
    let page = collect::page(&store).await.unwrap();
    let line = page.lines().find(|line| line.starts_with("longhorn_node_storage_reservation_bytes{")).unwrap();
    assert!(line.ends_with("18446744073709552000"), "{line}");
}
