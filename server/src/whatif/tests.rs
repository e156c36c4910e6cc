//! Questions to a small installation: three nodes with a disk each, in memory.

use std::sync::Arc;

use aurochs_api::cause::CauseCode;
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::{ByteSize, GIB};
use aurochs_api::volume::{DataLocality, Robustness, VolumeState};
use aurochs_api::whatif::{Moment, MoveKind, Verdict, WhatIfVolume};

use super::*;
use crate::instance::Instances;
use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec, READY};
use crate::resources::replica::ReplicaSpec;
use crate::resources::volume::VolumeSpec;
use crate::resources::volume_attachment::{AttachmentTicket, VolumeAttachmentSpec};
use crate::resources::{Engine, LABEL_VOLUME, Node, Object, Replica, Volume, VolumeAttachment, condition};
use crate::settings::{Name, Settings};
use crate::store::Store;
use crate::store::sqlite::Sqlite;

struct World {
    store: Store,
    settings: Settings,
    _directory: tempfile::TempDir,
}

impl World {
    /// Disks of 100 GiB, of which so many GiB are reserved.
    async fn new(reserved: &[u64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap()));
        for (number, reserved) in reserved.iter().enumerate() {
            let name = format!("node-{}", number + 1);
            let disk = DiskSpec {
                path: format!("/{name}"),
                allow_scheduling: true,
                storage_reserved: ByteSize(reserved * GIB),
                ..DiskSpec::default()
            };
            let spec =
                NodeSpec { allow_scheduling: true, disks: [("d".to_owned(), disk)].into(), ..NodeSpec::default() };
            store.create(&Object::<Node>::new(&name, spec)).await.unwrap();
            let tell = |status: &mut crate::resources::node::NodeStatus| {
                let full = ByteSize(100 * GIB);
                let mut disk = DiskStatus { storage_maximum: full, storage_available: full, ..DiskStatus::default() };
                disk.disk_uuid = format!("uuid-{name}");
                condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
                condition::set(&mut status.conditions, READY, ConditionStatus::True, "", "");
                status.disk_status.insert("d".to_owned(), disk);
            };
            store.modify_status::<Node>(&name, tell).await.unwrap();
        }
        Self { store, settings: Settings::default(), _directory: directory }
    }

    /// A volume with data, whole on these nodes, attached to the first of them or detached.
    async fn volume(&self, name: &str, gib: u64, nodes: &[&str], attached: bool, change: impl FnOnce(&mut VolumeSpec)) {
        let size = ByteSize(gib * GIB);
        let mut spec = VolumeSpec { size, number_of_replicas: 0, ..VolumeSpec::default() };
        spec.number_of_replicas = u32::try_from(nodes.len()).unwrap();
        spec.node_id = if attached { nodes[0].to_owned() } else { String::new() };
        change(&mut spec);
        self.store.create(&Object::<Volume>::new(name, spec)).await.unwrap();
        let mut engine = Object::<Engine>::new(format!("{name}-e-0"), Default::default());
        engine.spec.volume_name = name.to_owned();
        engine.spec.volume_size = size;
        engine.spec.node_id = nodes[0].to_owned();
        engine.metadata.labels.insert(LABEL_VOLUME.to_owned(), name.to_owned());
        self.store.create(&engine).await.unwrap();
        for node in nodes {
            self.replica(name, node, size).await;
        }
        let tell = |status: &mut crate::resources::engine::EngineStatus| {
            status.actual_size = ByteSize(gib * GIB / 2);
            if attached {
                status.current_state = crate::resources::engine::InstanceState::Running;
                let whole = aurochs_api::replica::ReplicaMode::ReadWrite;
                status.replica_mode_map = nodes.iter().map(|node| (format!("{name}-r-{node}"), whole)).collect();
            }
        };
        self.store.modify_status::<Engine>(&format!("{name}-e-0"), tell).await.unwrap();
        let tell = |status: &mut crate::resources::volume::VolumeStatus| {
            status.state = if attached { VolumeState::Attached } else { VolumeState::Detached };
            status.current_node_id = if attached { nodes[0].to_owned() } else { String::new() };
        };
        self.store.modify_status::<Volume>(name, tell).await.unwrap();
    }

    async fn replica(&self, volume: &str, node: &str, size: ByteSize) {
        let spec = ReplicaSpec {
            volume_name: volume.to_owned(),
            volume_size: size,
            node_id: node.to_owned(),
            disk_id: format!("uuid-{node}"),
            disk_path: format!("/{node}"),
            healthy_at: "2026-01-01T00:00:00Z".to_owned(),
            last_healthy_at: "2026-01-01T00:00:00Z".to_owned(),
            ..ReplicaSpec::default()
        };
        let mut replica = Object::<Replica>::new(format!("{volume}-r-{node}"), spec);
        replica.metadata.labels.insert(LABEL_VOLUME.to_owned(), volume.to_owned());
        self.store.create(&replica).await.unwrap();
    }

    async fn ask(&self, question: Question) -> WhatIf {
        let picture = Picture::read(&self.store, &self.settings, &Instances::default()).await.unwrap();
        answer(&question, &picture).unwrap()
    }
}

fn about_node(change: Change, node: &str) -> Question {
    let disk = if matches!(change, Change::EvictDisk | Change::RemoveDisk) { "d".to_owned() } else { String::new() };
    Question { change, node: node.to_owned(), disk, ..Question::default() }
}

fn moves(volume: &WhatIfVolume) -> Vec<(MoveKind, &str, &str)> {
    volume.moves.iter().map(|one| (one.kind, one.from_node.as_str(), one.to_node.as_str())).collect()
}

#[tokio::test]
async fn replacements_come_first_and_take_room_from_those_after_them() {
    let world = World::new(&[0, 0, 40]).await;
    // Of the three that have to leave node-1, node-3 has room for two and node-2 has each already.
    for name in ["a", "b", "c"] {
        world.volume(name, 30, &["node-1", "node-2"], true, |_| {}).await;
    }
    for change in [Change::EvictNode, Change::EvictDisk] {
        let answer = world.ask(about_node(change, "node-1")).await;
        assert_eq!(answer.verdict, Verdict::Incomplete, "{answer:#?}");
        assert_eq!(answer.bytes_to_copy, 30 * GIB);
        let stuck = &answer.volumes[0];
        assert_eq!((stuck.name.as_str(), moves(stuck).len()), ("c", 0), "the worst off comes first");
        let cause = &stuck.causes[0];
        assert_eq!(cause.code, CauseCode::Evicting);
        let detail = cause.details.iter().find(|detail| detail.node == "node-3").unwrap();
        assert_eq!((detail.wanted_bytes, detail.has_bytes), (Some(30 * GIB), Some(0)), "{detail:?}");
        assert!(!cause.next_step.is_empty());
        for volume in &answer.volumes[1..] {
            assert_eq!(moves(volume), [(MoveKind::Add, "", "node-3"), (MoveKind::Remove, "node-1", "")]);
            assert_eq!((volume.healthy_meanwhile, volume.healthy_after), (2, 2), "nothing is worse meanwhile");
            assert!(!volume.interrupted && !volume.last_healthy_replica);
        }
        let disk = |node: &str| answer.disks.iter().find(|disk| disk.node == node).unwrap();
        let figures =
            |node: &str| (disk(node).replicas_before, disk(node).replicas_after, disk(node).scheduled_after / GIB);
        assert_eq!((figures("node-1"), figures("node-3")), ((3, 1, 30), (0, 2, 60)));
        assert_eq!(disk("node-3").available_after, 70 * GIB);
    }
}

#[tokio::test]
async fn a_lost_node_takes_the_data_of_those_that_were_only_there() {
    let world = World::new(&[0, 0, 0]).await;
    world.volume("one", 10, &["node-1"], true, |_| {}).await;
    world.volume("two", 10, &["node-1", "node-2"], false, |_| {}).await;
    world.volume("elsewhere", 10, &["node-2", "node-3"], true, |_| {}).await;
    let answer = world.ask(about_node(Change::RemoveNode, "node-1")).await;
    assert_eq!(answer.verdict, Verdict::DataLoss);
    let names: Vec<&str> = answer.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let (one, two) = (&answer.volumes[0], &answer.volumes[1]);
    assert!(one.last_healthy_replica && one.interrupted);
    assert_eq!((one.robustness_meanwhile, one.robustness_after), (Robustness::Faulted, Robustness::Faulted));
    assert_eq!(moves(one), [(MoveKind::Lose, "node-1", "")]);
    assert!(!two.last_healthy_replica && !two.interrupted);
    assert_eq!((two.robustness_meanwhile, two.robustness_after), (Robustness::Degraded, Robustness::Healthy));
    assert_eq!(moves(two), [(MoveKind::Lose, "node-1", ""), (MoveKind::Add, "", "node-3")]);
    assert_eq!(two.moves[1].when, Moment::WhenAttached);
    let told: Vec<&str> = answer.obstacles.iter().map(|cause| cause.message.as_str()).collect();
    assert_eq!(told.len(), 4, "it answers, takes replicas, has two and an engine: {told:?}");

    let answer = world.ask(about_node(Change::RemoveDisk, "node-1")).await;
    assert!(!answer.volumes[0].interrupted, "an engine needs no disk");
    assert_eq!(answer.obstacles.len(), 2);
}

#[tokio::test]
async fn more_and_fewer_replicas() {
    let world = World::new(&[0, 0, 0]).await;
    world.volume("v", 10, &["node-1", "node-2"], true, |_| {}).await;
    let count = |replica_count| Question {
        change: Change::ReplicaCount,
        volume: "v".to_owned(),
        replica_count: Some(replica_count),
        ..Question::default()
    };
    let three = world.ask(count(3)).await;
    assert_eq!((three.verdict, three.bytes_to_copy), (Verdict::Fine, 5 * GIB));
    assert_eq!(moves(&three.volumes[0]), [(MoveKind::Add, "", "node-3")]);
    let four = world.ask(count(4)).await;
    let volume = &four.volumes[0];
    assert_eq!(
        (four.verdict, volume.healthy_after, volume.robustness_after),
        (Verdict::Incomplete, 3, Robustness::Degraded)
    );
    assert_eq!(volume.causes[0].code, CauseCode::NotEnoughNodes);
    let one = world.ask(count(1)).await;
    assert_eq!((one.verdict, one.bytes_to_copy, one.volumes[0].notes.len()), (Verdict::Fine, 0, 1));
    assert_eq!(one.volumes[0].moves.len(), 1);
    world.settings.set(Name::ConcurrentReplicaRebuildPerNodeLimit.word(), "0");
    let off = world.ask(count(3)).await;
    assert_eq!(off.volumes[0].causes[0].code, CauseCode::RebuildWaiting);
}

#[tokio::test]
async fn a_strictly_local_volume_has_nowhere_to_go() {
    let world = World::new(&[0, 0, 0]).await;
    world.volume("v", 10, &["node-1"], true, |spec| spec.data_locality = DataLocality::StrictLocal).await;
    let answer = world.ask(about_node(Change::EvictNode, "node-1")).await;
    let volume = &answer.volumes[0];
    assert!(volume.last_healthy_replica && volume.moves.is_empty(), "{volume:#?}");
    assert_eq!((volume.causes[0].code, volume.healthy_after), (CauseCode::Evicting, 1));
}

#[tokio::test]
async fn a_volume_that_was_never_attached_moves_once() {
    let world = World::new(&[0, 0]).await;
    world.volume("v", 10, &["node-1"], false, |_| {}).await;
    let never = |replica: &mut Object<Replica>| {
        replica.spec.healthy_at.clear();
        replica.spec.last_healthy_at.clear();
    };
    world.store.modify::<Replica>("v-r-node-1", never).await.unwrap();
    let answer = world.ask(about_node(Change::EvictNode, "node-1")).await;
    assert_eq!(moves(&answer.volumes[0]), [(MoveKind::Add, "", "node-2"), (MoveKind::Remove, "node-1", "")]);
    assert_eq!((answer.verdict, answer.volumes[0].healthy_after), (Verdict::Fine, 1));
}

#[tokio::test]
async fn a_drain_moves_what_its_policy_moves() {
    let world = World::new(&[0, 0, 0]).await;
    world.volume("last", 10, &["node-1"], false, |_| {}).await;
    world.volume("safe", 10, &["node-1", "node-2"], false, |_| {}).await;
    world.volume("used", 10, &["node-1", "node-2"], true, |_| {}).await;
    for (policy, moved, verdict) in [
        ("block-if-contains-last-replica", vec![], Verdict::Refused),
        ("block-for-eviction", vec!["last", "safe", "used"], Verdict::Refused),
        ("block-for-eviction-if-contains-last-replica", vec!["last"], Verdict::Refused),
        ("always-allow", vec![], Verdict::Refused),
    ] {
        world.settings.set(Name::NodeDrainPolicy.word(), policy);
        let answer = world.ask(about_node(Change::DrainNode, "node-1")).await;
        let mut moving: Vec<&str> = answer
            .volumes
            .iter()
            .filter(|volume| !volume.moves.is_empty())
            .map(|volume| volume.name.as_str())
            .collect();
        moving.sort_unstable();
        assert_eq!((moving, answer.verdict), (moved, verdict), "{policy}: a volume is attached there");
        let used = answer.volumes.iter().find(|volume| volume.name == "used").unwrap();
        assert!(used.interrupted);
    }
}

#[tokio::test]
async fn growth_and_limits_by_the_disks() {
    let world = World::new(&[0, 0]).await;
    world.volume("v", 60, &["node-1", "node-2"], false, |_| {}).await;
    let expand = |size: &str| Question {
        change: Change::Expand,
        volume: "v".to_owned(),
        size: size.to_owned(),
        ..Question::default()
    };
    let fits = world.ask(expand("70Gi")).await;
    assert_eq!((fits.verdict, fits.disks.len(), fits.disks[0].scheduled_after), (Verdict::Fine, 2, 70 * GIB));
    let large = world.ask(expand("150Gi")).await;
    assert_eq!((large.verdict, large.volumes[0].causes[0].code), (Verdict::Incomplete, CauseCode::ExpansionWaiting));
    for (size, verdict) in [("20Gi", Verdict::Refused), ("60Gi", Verdict::Fine)] {
        let answer = world.ask(expand(size)).await;
        assert_eq!((answer.verdict, answer.volumes.len()), (verdict, 0), "it never shrinks: {answer:?}");
    }

    // Disks that are over the new limit say so; nothing moves.
    let limits =
        Question { change: Change::SpaceLimits, over_provisioning_percentage: Some(50), ..Question::default() };
    let answer = world.ask(limits).await;
    assert_eq!(answer.disks.len(), 2);
    assert!(answer.disks.iter().all(|disk| disk.schedulable_after == 0 && disk.refuses_after.contains("schedulable")));
    assert!(answer.volumes.is_empty());
}

#[tokio::test]
async fn a_deleted_volume_has_no_replicas_afterwards_and_that_is_no_loss() {
    let world = World::new(&[0, 0]).await;
    world.volume("v", 10, &["node-1", "node-2"], false, |_| {}).await;
    let question = Question { change: Change::DeleteVolume, volume: "v".to_owned(), ..Question::default() };
    let answer = world.ask(question.clone()).await;
    let volume = &answer.volumes[0];
    assert!(volume.deleted && !volume.interrupted);
    assert_eq!((volume.healthy_before, volume.healthy_meanwhile, volume.healthy_after), (2, 0, 0));
    assert_eq!((volume.robustness_meanwhile, volume.robustness_after), (Robustness::Unknown, Robustness::Unknown));
    assert_eq!(volume.replicas_wished, 0);
    assert_eq!(moves(volume), [(MoveKind::Remove, "node-1", ""), (MoveKind::Remove, "node-2", "")]);
    assert_eq!((answer.verdict, answer.bytes_freed_maximum), (Verdict::Fine, 10 * GIB));
    assert!(answer.disks.iter().all(|disk| disk.replicas_after == 0 && disk.scheduled_after == 0));

    // A ticket without an id, as of who attaches by hand, leaves no gap in the sentence.
    let ticket = AttachmentTicket { node_id: "node-1".to_owned(), ..AttachmentTicket::default() };
    let mut tickets = Object::<VolumeAttachment>::new("v", VolumeAttachmentSpec::default());
    tickets.spec.attachment_tickets.insert(String::new(), ticket);
    world.store.create(&tickets).await.unwrap();
    let answer = world.ask(question).await;
    assert_eq!(answer.verdict, Verdict::Refused);
    assert_eq!(answer.volumes[0].notes[0], "longhorn-api wants it on node-1.");
}

#[tokio::test]
async fn questions_without_sense_are_refused() {
    let world = World::new(&[0]).await;
    let picture = Picture::read(&world.store, &world.settings, &Instances::default()).await.unwrap();
    for question in [
        Question::default(),
        about_node(Change::EvictNode, "gone"),
        Question { change: Change::EvictDisk, node: "node-1".into(), disk: "gone".into(), ..Question::default() },
        Question { change: Change::Expand, volume: "gone".into(), size: "x".into(), ..Question::default() },
        Question { change: Change::SpaceLimits, minimal_available_percentage: Some(101), ..Question::default() },
    ] {
        let error = answer(&question, &picture).unwrap_err();
        assert!(error.kind.status().is_client_error() && !error.next_step.is_empty(), "{question:?} {error:?}");
    }
}
