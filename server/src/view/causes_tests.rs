use aurochs_api::engine_image::EngineImageState;

use super::*;
use crate::resources::engine_image::EngineImageSpec;
use crate::resources::instance_manager::InstanceManagerSpec;
use crate::resources::orphan::OrphanSpec;
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::support_bundle::SupportBundleSpec;

fn orphan(condition: Option<(&str, ConditionStatus, &str, &str)>) -> Object<Orphan> {
    let parameters = [("DataName", "v-1"), ("DiskName", "d"), ("DiskPath", "/mnt/d")];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let mut orphan =
        Object::<Orphan>::new("o", OrphanSpec { node_id: "node-1".into(), parameters, ..OrphanSpec::default() });
    if let Some((kind, status, reason, message)) = condition {
        condition::set(&mut orphan.status.conditions, kind, status, reason, message);
    }
    orphan
}

fn instance_manager(state: InstanceState, version: &str) -> Object<InstanceManager> {
    let mut manager =
        Object::<InstanceManager>::new("im", InstanceManagerSpec { node_id: "node-1".into(), ..Default::default() });
    (manager.status.current_state, manager.status.version) = (state, version.to_owned());
    manager
}

fn image(runs: [bool; 2]) -> Object<EngineImage> {
    let mut image = Object::<EngineImage>::new("ei", EngineImageSpec { image: default_image() });
    image.status.state = EngineImageState::Deployed;
    image.status.node_deployment_map = [("node-1".to_owned(), runs[0]), ("node-2".to_owned(), runs[1])].into();
    image
}

fn bundle(state: SupportBundleState) -> Object<SupportBundle> {
    let mut bundle = Object::<SupportBundle>::new("b", SupportBundleSpec::default());
    bundle.status.state = state;
    let told = "support bundle b was not made: the disk is full";
    condition::set(&mut bundle.status.conditions, "Error", ConditionStatus::True, "", told);
    bundle
}

fn snapshot(error: &str, was_taken: bool, deleting: bool) -> Object<Snapshot> {
    let mut snapshot = Object::<Snapshot>::new("s", SnapshotSpec { volume: "v".into(), ..SnapshotSpec::default() });
    snapshot.status.error = error.to_owned();
    snapshot.status.creation_time = if was_taken { "2026-01-01T00:00:00Z".to_owned() } else { String::new() };
    snapshot.metadata.deletion_timestamp = deleting.then(|| "now".to_owned());
    snapshot
}

/// Every state that nobody wishes for has its code, says why and what next; the others say nothing.
#[test]
fn states_and_their_causes() {
    use CauseCode::{
        EngineImageNotReady, NodeDown, Orphan, RemovalFailed, SnapshotDamaged, SnapshotNotDeletable, SnapshotWaiting,
        SupportBundleFailed,
    };
    use ConditionStatus::{False, True};
    let own = env!("CARGO_PKG_VERSION");
    let rows: Vec<(&str, Vec<Cause>, &[CauseCode], &str)> = vec![
        ("an orphan", of_orphan(&orphan(None)), &[Orphan], "v-1 on disk d"),
        (
            "an orphan on a node that is down",
            of_orphan(&orphan(Some((DATA_CLEANABLE, False, "NodeUnavailable", "node-1 does not answer")))),
            &[Orphan, RemovalFailed],
            "node-1 does not answer",
        ),
        (
            "an orphan whose removal failed",
            of_orphan(&orphan(Some((ERROR, True, "", "It can't be removed: the disk is read-only.")))),
            &[Orphan, RemovalFailed],
            "read-only",
        ),
        ("a silent one", of_instance_manager(&instance_manager(InstanceState::Unknown, "")), &[NodeDown], "node-1"),
        ("one that starts", of_instance_manager(&instance_manager(InstanceState::Starting, "")), &[NodeDown], "node-1"),
        (
            "an older one",
            of_instance_manager(&instance_manager(InstanceState::Running, "0.0.1")),
            &[EngineImageNotReady],
            "0.0.1",
        ),
        ("a good one", of_instance_manager(&instance_manager(InstanceState::Running, own)), &[], ""),
        (
            "an image not everywhere",
            of_engine_image(&image([true, false])),
            &[EngineImageNotReady],
            "1 of 2 nodes: node-2",
        ),
        ("an image everywhere", of_engine_image(&image([true, true])), &[], ""),
        (
            "a failed bundle",
            of_support_bundle(&bundle(SupportBundleState::Error)),
            &[SupportBundleFailed],
            "disk is full",
        ),
        ("a bundle", of_support_bundle(&bundle(SupportBundleState::ReadyForDownload)), &[], ""),
        ("a snapshot", of_snapshot(&snapshot("", true, false)), &[], ""),
        (
            "one not taken",
            of_snapshot(&snapshot("v has 2 and may have 2. Delete one", false, false)),
            &[SnapshotWaiting],
            "2",
        ),
        ("a lost one", of_snapshot(&snapshot("it is gone", true, false)), &[SnapshotDamaged], "gone"),
        (
            "one that stays",
            of_snapshot(&snapshot("marked removed; it is below the head. Take another", true, true)),
            &[SnapshotNotDeletable],
            "below the head",
        ),
    ];
    for (state, causes, codes, words) in rows {
        let found: Vec<CauseCode> = causes.iter().map(|cause| cause.code).collect();
        assert_eq!(found, codes, "{state}");
        for cause in &causes {
            assert!(cause.message.ends_with('.') && !cause.message.contains(".."), "{state}: {cause:?}");
            assert!(!cause.next_step.is_empty() && !cause.objects.is_empty(), "{state}: {cause:?}");
        }
        let told: String = causes.iter().map(|cause| cause.message.as_str()).collect();
        assert!(told.contains(words), "{state}: {told}");
    }
}

#[test]
fn what_a_snapshot_says_is_split_into_why_and_what_next() {
    let cause = of_snapshot(&snapshot("marked removed; it is below the head. Take another", true, true)).remove(0);
    assert_eq!(cause.message, "Snapshot s of v: marked removed; it is below the head.");
    assert_eq!(cause.next_step, "Take another.");
}

#[test]
fn each_node_without_the_image_and_each_refusal_has_its_detail() {
    let image = of_engine_image(&image([false, false])).remove(0);
    assert_eq!(image.details.iter().map(|detail| detail.node.as_str()).collect::<Vec<_>>(), ["node-1", "node-2"]);
    let refused = orphan(Some((DATA_CLEANABLE, ConditionStatus::False, "DiskEvicted", "the disk d is being emptied")));
    assert_eq!(of_orphan(&refused)[1].details[0].rule, "DiskEvicted");
}
