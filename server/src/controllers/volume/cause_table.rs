//! Every state of a volume that nobody wishes for, as a table: the code that it has, and what its sentence speaks of.
//! Where a replica could go and why not is the scheduler's table ([`crate::scheduling`]); copies of volumes have theirs in
//! [`super::clone`].

use std::time::{Duration, Instant};

use aurochs_api::cause::{CauseCode, CauseDetail, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot as Layer;

use super::attempts::Attempts;
use super::rebuild::{Candidate, Choice, Reach, Situation};
use super::*;
use crate::controllers::engine::membership::CONDITION_JOIN_REFUSED;
use crate::controllers::replica::last_data::CONDITION_GIVEN_UP;
use crate::resources::condition;
use crate::resources::engine::{EngineStatus, InstanceState, PurgeStatus};
use crate::resources::replica::ReplicaSpec;
use crate::resources::volume::{Frontend, VolumeSpec};
use crate::resources::volume_attachment::{AttacherType, AttachmentTicket, CONDITION_SATISFIED, VolumeAttachmentSpec};

const SINCE: &str = "2026-01-01T00:00:00Z";

fn volume() -> Object<Volume> {
    let spec = VolumeSpec {
        node_id: "node-1".into(),
        size: ByteSize(2 << 30),
        frontend: Frontend::Blockdev,
        ..VolumeSpec::default()
    };
    Object::new("v", spec)
}

fn replica(change: impl FnOnce(&mut Object<Replica>)) -> Object<Replica> {
    let spec = ReplicaSpec { node_id: "node-2".into(), disk_path: "/d".into(), ..ReplicaSpec::default() };
    let mut replica = Object::<Replica>::new("v-r-1", spec);
    change(&mut replica);
    replica
}

fn family(replica: Object<Replica>, engine: impl FnOnce(&mut EngineStatus)) -> Family {
    let mut family = Family { engine: Object::new("v-e-0", Default::default()), replicas: vec![replica] };
    family.engine.spec.node_id = "node-1".into();
    family.engine.status.current_state = InstanceState::Running;
    family.engine.status.endpoint = "/dev/longhorn/v".into();
    engine(&mut family.engine.status);
    family
}

/// What an attached volume tells of its engine and replicas.
fn attached(replica: Object<Replica>, engine: impl FnOnce(&mut EngineStatus)) -> Vec<Cause> {
    causes::of_family(&volume(), &family(replica, engine), VolumeState::Attached, &[])
}

fn healthy() -> Object<Replica> {
    replica(|_| {})
}

fn candidate(change: impl FnOnce(&mut Candidate)) -> Candidate {
    let mut one = Candidate {
        name: "v-r-1".into(),
        node: "node-2".into(),
        reach: Reach::Answers,
        placed: true,
        failed: true,
        stopped: true,
        failure: "the disk is full".into(),
        disk_ready: true,
        ..Candidate::default()
    };
    change(&mut one);
    one
}

/// Why a rebuild is not begun.
fn rebuild_waits(limit: u64, change: impl FnOnce(&mut Candidate)) -> Vec<Cause> {
    let situation = Situation {
        degraded_for: Duration::ZERO,
        replenishment_wait: Duration::from_secs(600),
        rebuilds_per_node: limit,
        bound_to_node: false,
    };
    match rebuild::choose(&[candidate(change)], &situation) {
        Choice::Wait { cause, .. } => vec![cause],
        choice => panic!("{choice:?}"),
    }
}

fn tickets(list: &[(&str, &str)]) -> Object<VolumeAttachment> {
    let mut spec = VolumeAttachmentSpec { volume: "v".into(), ..VolumeAttachmentSpec::default() };
    for (id, node) in list {
        let (id, node_id) = ((*id).to_owned(), (*node).to_owned());
        let ticket = AttachmentTicket {
            id: id.clone(),
            kind: AttacherType::CsiAttacher,
            node_id,
            ..AttachmentTicket::default()
        };
        spec.attachment_tickets.insert(id, ticket);
    }
    let mut tickets = Object::<VolumeAttachment>::new("v", spec);
    for (id, _) in list {
        let told = tickets.status.attachment_ticket_statuses.entry((*id).to_owned()).or_default();
        condition::set(&mut told.conditions, CONDITION_SATISFIED, ConditionStatus::False, "", "");
    }
    tickets
}

fn attach_waits() -> Cause {
    let starting = replica(|replica| replica.spec.desire_state = InstanceState::Running);
    let family = family(starting, |engine| engine.current_state = InstanceState::Stopped);
    let tickets = tickets(&[("a", "node-1")]);
    let (ticket, _) = waiting::longest_waiting(&tickets).unwrap();
    let volume = Object { status: volume_status(VolumeState::Attaching), ..volume() };
    waiting::waits(&volume, &family, ticket, SINCE, |_| false)
}

fn volume_status(state: VolumeState) -> crate::resources::volume::VolumeStatus {
    crate::resources::volume::VolumeStatus { state, ..Default::default() }
}

fn attach_conflicts() -> Cause {
    let tickets = tickets(&[("a", "node-1"), ("b", "node-3")]);
    waiting::conflict(&volume(), &tickets, &tickets.spec.attachment_tickets["b"], SINCE).unwrap()
}

fn faulted(others: bool) -> Cause {
    let lost = healthy();
    let other = replica(|replica| {
        replica.metadata.name = "v-r-2".into();
        replica.spec.last_healthy_at = if others { SINCE.into() } else { String::new() };
    });
    let record = aurochs_engine::grpc::instance_v1::Record { members: vec!["v-r-1".into()], ..Default::default() };
    let family = Family { replicas: vec![lost.clone(), other], ..family(healthy(), |_| {}) };
    fault::cause(&volume(), &family, &[(&lost, "node-2 has not answered".into())], Some(&record))
}

fn snapshots(change: impl FnOnce(&mut EngineStatus), most: u32) -> Vec<Cause> {
    let mut status = EngineStatus::default();
    let layer = Layer { name: "s".into(), size: ByteSize(10), ..Layer::default() };
    status.snapshots.insert("s".into(), layer);
    status.replica_mode_map.insert("v-r-1".into(), ReplicaMode::ReadWrite);
    change(&mut status);
    snapshot_causes::all(&volume(), &status, most, ByteSize::ZERO).collect()
}

fn with_condition(kind: &str, message: &str) -> Object<Replica> {
    replica(|replica| {
        condition::set(&mut replica.status.conditions, kind, ConditionStatus::True, "", message);
    })
}

#[test]
fn states_and_their_causes() {
    use CauseCode::*;
    let now = Instant::now();
    let refusal = Attempts::default().note("v", "a purge is running", now);
    let detail = CauseDetail {
        node: "node-2".into(),
        disk: "d".into(),
        rule: "space".into(),
        wanted_bytes: Some(3),
        has_bytes: Some(1),
        text: "failed to schedule 3 more bytes to disk d on node-2".into(),
    };
    let failed = || replica(|replica| replica.spec.failed_at = SINCE.into());
    let leaving = |state: InstanceState| {
        let mut replica = with_condition(CONDITION_GIVEN_UP, "the disk is read-only");
        replica.metadata.deletion_timestamp = Some(SINCE.into());
        replica.status.current_state = state;
        replica
    };
    let refused_join = family(with_condition(CONDITION_JOIN_REFUSED, "a purge is running"), |_| {});
    let still_up = family(healthy(), |engine| engine.current_state = InstanceState::Unknown);
    let purge_failed = |status: &mut EngineStatus| {
        let failed = PurgeStatus { error: "needs 4 GiB".into(), ..PurgeStatus::default() };
        status.purge_status.insert("v-r-1".into(), failed);
    };
    // The state, what it tells, its code, and a word of its sentence.
    let rows: Vec<(&str, Vec<Cause>, &[CauseCode], &str)> = vec![
        ("healthy", attached(healthy(), |_| {}), &[], ""),
        ("degraded: a replica failed", attached(failed(), |_| {}), &[ReplicaFailed], SINCE),
        (
            "degraded: it is being filled",
            vec![joining::rebuilding(&healthy(), &family(healthy(), |_| {}))],
            &[Rebuilding],
            "v-r-1",
        ),
        (
            "degraded: the engine refuses it",
            vec![joining::rebuilding(&refused_join.replicas[0], &refused_join)],
            &[RebuildWaiting],
            "a purge",
        ),
        (
            "degraded: the node has no turn",
            rebuild_waits(5, |one| one.rebuilds_on_node = 5),
            &[RebuildWaiting],
            "5 are allowed",
        ),
        ("degraded: rebuilding is off", rebuild_waits(0, |_| {}), &[RebuildWaiting], "switched off"),
        (
            "degraded: it rests after a failure",
            rebuild_waits(5, |one| (one.retries, one.pause_left) = (2, Duration::from_secs(9))),
            &[RebuildWaiting],
            "the disk is full",
        ),
        (
            "degraded: its process is not gone",
            rebuild_waits(5, |one| one.stopped = false),
            &[RebuildWaiting],
            "cleared away",
        ),
        ("degraded: its node is silent", rebuild_waits(5, |one| one.reach = Reach::Silent), &[NodeDown], "node-2"),
        (
            "degraded: its node was not heard",
            rebuild_waits(5, |one| one.reach = Reach::NotHeard),
            &[RebuildWaiting],
            "node-2",
        ),
        (
            "degraded: it has no place",
            rebuild_waits(5, |one| (one.placed, one.failed) = (false, false)),
            &[NotEnoughNodes],
            "1 of",
        ),
        (
            "the engine's node is silent",
            attached(healthy(), |engine| engine.current_state = InstanceState::Unknown),
            &[NodeDown],
            "node-1",
        ),
        (
            "I/O waits",
            attached(healthy(), |engine| engine.cause = "no record".into()),
            &[RecordUnavailable],
            "no record",
        ),
        ("reconciling", attached(healthy(), |engine| engine.reconcile_regions_left = 7), &[Reconciling], "equal"),
        (
            "its file system is read-only",
            attached(healthy(), |engine| engine.turned_read_only = vec!["/mnt/v".into()]),
            &[FilesystemReadOnly],
            "/mnt/v on node-1",
        ),
        ("no device", attached(healthy(), |engine| engine.endpoint.clear()), &[FrontendUnavailable], "no device"),
        ("the engine ended", vec![causes::engine_ended(&volume(), "killed")], &[EngineFailed], "killed"),
        ("the engine refuses", vec![fault::refused(&volume(), "no member runs")], &[NoUsableReplica], "no member"),
        ("faulted: only members", vec![faulted(false)], &[NoUsableReplica], "node-2 has not answered"),
        ("faulted: others are there", vec![faulted(true)], &[SalvageNeeded], "node-2 has not answered"),
        ("attaching takes long", vec![attach_waits()], &[AttachWaiting], "v-r-1 on node-2"),
        ("attaching is off", vec![waiting::engine_off(&volume())], &[AttachWaiting], "turned off"),
        ("two want it", vec![attach_conflicts()], &[AttachConflict], "node-3"),
        ("detaching takes long", vec![waiting::still_up(&volume(), &still_up)], &[DetachWaiting], "v-e-0 on node-1"),
        ("a replica's files stay", attached(leaving(InstanceState::Stopped), |_| {}), &[RemovalFailed], "read-only"),
        ("a removal waits for a node", attached(leaving(InstanceState::Unknown), |_| {}), &[NodeDown], "node-2"),
        (
            "an expansion has no room",
            vec![expansion::no_room(&volume(), vec![detail])],
            &[ExpansionWaiting],
            "3 more bytes",
        ),
        (
            "an expansion waits",
            vec![expansion::waiting(&volume(), "no node answers", "Bring one back.")],
            &[ExpansionWaiting],
            "no node",
        ),
        ("an expansion is under way", vec![expansion::underway(&volume())], &[ExpansionWaiting], "2 GiB"),
        ("an expansion is refused", vec![expansion::refused(&volume(), &refusal)], &[ExpansionFailed], "a purge"),
        ("no further snapshot", snapshots(|_| {}, 1), &[SnapshotLimit], "may have 1"),
        (
            "many snapshots",
            vec![snapshot_causes::crowded(&volume(), "The volume has 100 snapshots")],
            &[SnapshotLimit],
            "100",
        ),
        (
            "a snapshot's file is missing",
            snapshots(|status| status.snapshots.get_mut("s").unwrap().image_missing = true, 9),
            &[SnapshotDamaged],
            "s",
        ),
        ("a purge failed", snapshots(purge_failed, 9), &[PurgeFailed], "needs 4 GiB"),
    ];
    for (state, causes, codes, words) in rows {
        let found: Vec<CauseCode> = causes.iter().map(|cause| cause.code).collect();
        assert_eq!(found, codes, "{state}: {causes:?}");
        for cause in &causes {
            assert!(cause.message.ends_with('.') && !cause.message.contains(".."), "{state}: {cause:?}");
            assert!(!cause.next_step.is_empty() && !cause.objects.is_empty(), "{state}: {cause:?}");
            assert!(cause.message.contains(words), "{state}: {cause:?}");
            let is_at_work = matches!(cause.code, Rebuilding | Reconciling);
            assert!(!is_at_work || cause.severity == Severity::Info, "{state}: {cause:?}");
        }
    }
    assert_eq!(faulted(false).details.len(), 1, "each member that is lost has its reason");
}
