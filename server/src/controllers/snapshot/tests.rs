//! The rules of snapshots (behaviour.md §6), as tables over the pure choices.

use std::collections::BTreeSet;
use std::time::Duration;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot as Layer;
use aurochs_api::volume::SnapshotDataIntegrity;
use time::OffsetDateTime;
use time::macros::datetime;

use super::super::bench;
use super::super::runtime::Controller;
use super::create::{Wish, wish};
use super::delete::{self, Fate, Step, fate};
use super::hash::{Policy, Schedule, Turn, Verdict, turn, verdict};
use super::memory::Memory;
use super::mirror::{Change, IMAGE_MISSING, LOST, Seen, plan, unfilled};
use super::names::{self, Layers};
use super::purge;
use super::times::Times;
use super::{Snapshots, resource_for_layer};
use crate::resources::engine::{EngineSpec, EngineStatus, HashPhase, HashProgress, ReplicaHash};
use crate::resources::snapshot::{ANNOTATION_LAYER, LABEL_TAKEN_FOR, SnapshotSpec, SnapshotStatus};
use crate::resources::volume::VolumeSpec;
use crate::resources::{Engine, Object, Snapshot, Volume};

const CREATED: &str = "2026-11-01T00:00:00Z";

fn volume() -> Object<Volume> {
    let mut volume = Object::<Volume>::new("v", VolumeSpec { size: ByteSize(1 << 30), ..VolumeSpec::default() });
    volume.metadata.uid = "volume-uid".into();
    volume
}

fn layer(name: &str, parent: &str, children: &[&str]) -> Layer {
    Layer {
        name: name.into(),
        parent: parent.into(),
        children: children.iter().map(|child| ((*child).to_owned(), true)).collect(),
        usercreated: true,
        created: CREATED.into(),
        ..Layer::default()
    }
}

/// `a ← b ← head`, and what `change` makes of it.
fn chain(change: impl FnOnce(&mut Layers)) -> Layers {
    let list = [layer("a", "", &["b"]), layer("b", "a", &[VOLUME_HEAD]), layer(VOLUME_HEAD, "b", &[])];
    let mut layers = list.into_iter().map(|layer| (layer.name.clone(), layer)).collect();
    change(&mut layers);
    layers
}

/// A resource that asks for a snapshot of its name.
fn asking(name: &str) -> Object<Snapshot> {
    let spec = SnapshotSpec { volume: "v".into(), create_snapshot: true, ..SnapshotSpec::default() };
    let mut snapshot = Object::<Snapshot>::new(name, spec);
    snapshot.metadata.uid = format!("uid-of-{name}");
    snapshot
}

/// One whose snapshot has been taken.
fn taken(name: &str) -> Object<Snapshot> {
    let mut snapshot = asking(name);
    snapshot.status = SnapshotStatus {
        creation_time: CREATED.into(),
        user_created: true,
        ready_to_use: true,
        ..SnapshotStatus::default()
    };
    snapshot
}

/// One that was made for a layer that the engine has.
fn mirrored(name: &str) -> Object<Snapshot> {
    let mut snapshot = taken(name);
    snapshot.spec.create_snapshot = false;
    snapshot
}

fn deleting(mut snapshot: Object<Snapshot>) -> Object<Snapshot> {
    snapshot.metadata.deletion_timestamp = Some(CREATED.into());
    snapshot
}

fn changes(layers: &Layers, known: &[Object<Snapshot>]) -> Vec<Change> {
    plan(&Seen { volume: &volume(), owner: "node-1", layers, known, purge_disabled: false })
}

/// What becomes of the resource `a` alone.
fn change_of(layers: &Layers, a: Object<Snapshot>) -> Option<Change> {
    let of_a = |change: &Change| match change {
        Change::Make { layer } => layer == "a",
        Change::Tell { name, .. } | Change::Forget { name } => name == "a",
    };
    changes(layers, &[a]).into_iter().find(of_a)
}

fn told(change: Option<Change>) -> SnapshotStatus {
    match change {
        Some(Change::Tell { status, .. }) => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_from_engine() {
    let layers = chain(|layers| {
        let a = layers.get_mut("a").unwrap();
        a.size = ByteSize(42);
        a.labels = Some([("k".into(), "v".into()), (LABEL_TAKEN_FOR.into(), "uid-of-a".into())].into());
    });
    let status = told(change_of(&layers, asking("a")));
    assert_eq!((status.parent.as_str(), status.creation_time.as_str()), ("", CREATED));
    assert!(status.children.contains_key("b") && status.ready_to_use && status.user_created && !status.mark_removed);
    assert_eq!((status.size, status.restore_size), (ByteSize(42), ByteSize(1 << 30)));
    assert_eq!(status.labels, [("k".to_owned(), "v".to_owned())].into(), "our own label is nobody's business");

    let mut shown = asking("a");
    shown.status = status;
    assert_eq!(change_of(&layers, shown), None, "what is shown already is not written again");
}

#[test]
fn ready_to_use_means_there_and_not_marked_removed() {
    let removed = chain(|layers| layers.get_mut("a").unwrap().removed = true);
    let status = told(change_of(&removed, taken("a")));
    assert!(!status.ready_to_use && status.mark_removed);
    let missing = chain(|layers| layers.get_mut("a").unwrap().image_missing = true);
    let status = told(change_of(&missing, taken("a")));
    assert!(!status.ready_to_use && status.error == IMAGE_MISSING);
}

#[test]
fn system_snapshots_get_resources_that_ask_for_nothing() {
    let layers = chain(|layers| layers.get_mut("a").unwrap().usercreated = false);
    let made: Vec<Change> = changes(&layers, &[]);
    assert_eq!(made, [Change::Make { layer: "a".into() }, Change::Make { layer: "b".into() }], "and none for the head");
}

#[test]
fn a_resource_that_waits_for_its_snapshot_is_left_alone() {
    let layers = chain(|layers| drop(layers.remove("a")));
    assert_eq!(change_of(&layers, asking("a")), None);
}

/// The manager died before it wrote their status, and the volume is detached.
#[test]
fn resources_without_a_status_are_filled_from_what_was_told_last() {
    let without_status = |mut snapshot: Object<Snapshot>| {
        snapshot.status = SnapshotStatus::default();
        snapshot
    };
    let filled = |layers: &Layers, a: Object<Snapshot>| {
        unfilled(&Seen { volume: &volume(), owner: "node-1", layers, known: &[a], purge_disabled: false })
    };
    let layers = chain(|_| {});
    for snapshot in [without_status(mirrored("a")), deleting(without_status(mirrored("a")))] {
        let status = told(filled(&layers, snapshot).pop());
        assert!(status.ready_to_use && status.creation_time == CREATED, "{status:?}");
    }
    // What was told is old: it says nothing of those that have a status, nor of what it does not know.
    let without_a = chain(|layers| drop(layers.remove("a")));
    for snapshot in [mirrored("a"), taken("a"), without_status(mirrored("a")), deleting(mirrored("a"))] {
        assert_eq!(filled(&without_a, snapshot), [], "nothing is forgotten, and nothing is lost");
    }
    assert_eq!(filled(&layers, asking("a")), [], "a layer of that name that somebody else took");
    assert_eq!(filled(&layers, asking("c")), [], "and none is made");
}

/// The same by a whole pass over a detached volume; and a deletion that was asked for stays asked for.
#[tokio::test]
async fn a_pass_over_a_detached_volume_fills_what_a_dead_manager_left_empty() {
    let (context, _directory) = bench::context(&["node-1"]).await;
    let store = context.store.clone();
    let volume = store.create(&volume()).await.unwrap();
    let spec = EngineSpec { volume_name: "v".into(), ..EngineSpec::default() };
    store.create(&Object::<Engine>::new("v-e-0", spec).owned_by_volume(&volume)).await.unwrap();
    let told = |status: &mut EngineStatus| status.snapshots = chain(|_| {});
    store.modify_status::<Engine>("v-e-0", told).await.unwrap();
    let layers = chain(|_| {});
    for name in ["a", "b"] {
        store.create(&resource_for_layer(&volume, &layers[name], name)).await.unwrap();
    }
    let unknown = layer("unknown", "", &[]);
    store.create(&resource_for_layer(&volume, &unknown, "unknown")).await.unwrap();
    for name in ["b", "unknown"] {
        store.delete::<Snapshot>(name).await.unwrap();
    }
    let snapshots = Snapshots { context, memory: Memory::default() };
    snapshots.reconcile("v").await.unwrap();
    for (name, expected) in [("a", CREATED), ("b", CREATED), ("unknown", "")] {
        let snapshot = store.get::<Snapshot>(name).await.unwrap();
        assert_eq!(snapshot.status.creation_time, expected, "{name}");
        assert_eq!(snapshot.is_deleting(), name != "a", "{name} waits for an engine, and is not forgotten");
    }
}

#[test]
fn what_no_engine_has_heard_of_can_go_without_one() {
    let requested = |mut snapshot: Object<Snapshot>| {
        snapshot.status.requested_time = CREATED.into();
        snapshot
    };
    let mut made_for_a_layer = mirrored("a");
    made_for_a_layer.status = SnapshotStatus::default();
    for (snapshot, expected) in
        [(asking("a"), true), (requested(asking("a")), false), (taken("a"), false), (made_for_a_layer, false)]
    {
        assert_eq!(names::was_never_asked(&snapshot), expected, "{snapshot:?}");
    }
}

#[test]
fn what_the_engine_has_no_more() {
    let layers = chain(|layers| drop(layers.remove("a")));
    let marked = |mut snapshot: Object<Snapshot>| {
        snapshot.status.mark_removed = true;
        snapshot
    };
    let system = |mut snapshot: Object<Snapshot>| {
        snapshot.status.user_created = false;
        snapshot
    };
    let forget = Some(Change::Forget { name: "a".into() });
    for (what, snapshot, expected) in [
        ("purged after it was asked for and marked", marked(taken("a")), &forget),
        ("purged after it was marked", marked(mirrored("a")), &forget),
        ("a rebuild's, purged", system(mirrored("a")), &forget),
        ("deleted and gone", deleting(taken("a")), &forget),
        ("deleted before it was taken", deleting(asking("a")), &forget),
    ] {
        assert_eq!(&change_of(&layers, snapshot), expected, "{what}");
    }
    for (what, snapshot) in [("asked for", taken("a")), ("taken by a user by way of the engine", mirrored("a"))] {
        let status = told(change_of(&layers, snapshot));
        assert!(status.error == LOST && !status.ready_to_use, "{what}");
    }
    let mut found_again = taken("a");
    found_again.status.error = LOST.into();
    assert_eq!(told(change_of(&chain(|_| {}), found_again)).error, "");
}

#[test]
fn a_layer_that_was_taken_for_somebody_else_is_no_answer() {
    let layers = chain(|_| {});
    let (known, waiting) = ([asking("a")], Change::Make { layer: "a".into() });
    assert!(changes(&layers, &known).contains(&waiting), "the layer gets a resource of its own");
    assert!(!names::owns(&known[0], &layers["a"]));

    let label = |uid: &str| Some([(LABEL_TAKEN_FOR.to_owned(), uid.to_owned())].into());
    let ours = chain(|layers| layers.get_mut("a").unwrap().labels = label("uid-of-a"));
    let earlier = chain(|layers| layers.get_mut("a").unwrap().labels = label("uid-of-an-a-before"));
    for (what, layers, snapshot, owns) in [
        ("taken for it", &ours, asking("a"), true),
        ("taken for an earlier one of this name", &earlier, asking("a"), false),
        ("shown before, as of a volume that Longhorn left", &layers, taken("a"), true),
        ("made for it", &earlier, mirrored("a"), true),
    ] {
        assert_eq!(names::owns(&snapshot, &layers["a"]), owns, "{what}");
    }
    let mut other_time = taken("a");
    other_time.status.creation_time = "2020-01-01T00:00:00Z".into();
    assert!(!names::owns(&other_time, &layers["a"]), "one of this name that was taken at another time");
}

#[test]
fn names_of_resources_are_global_and_layers_are_found_all_the_same() {
    let [plain, qualified, _] = names::names_for(&volume(), "a");
    assert_eq!((plain.as_str(), qualified.as_str()), ("a", "v.a"));
    let mut snapshot = mirrored(&qualified);
    snapshot.metadata.annotations.insert(ANNOTATION_LAYER.into(), "a".into());
    assert_eq!(names::layer_name(&snapshot), "a");
    snapshot.spec.create_snapshot = true;
    assert_eq!(names::layer_name(&snapshot), "v.a", "who asks gets the snapshot under the resource's own name");
}

#[test]
fn a_checksum_goes_when_the_parent_was_merged_into_the_file() {
    let mut b = taken("b");
    (b.status.parent, b.status.checksum) = ("a".into(), "0123456789abcdef".into());
    let status = |layers: &Layers| {
        let change =
            changes(layers, std::slice::from_ref(&b)).into_iter().find(|change| matches!(change, Change::Tell { .. }));
        told(change)
    };
    assert_eq!(status(&chain(|_| {})).checksum, "0123456789abcdef");
    let merged = chain(|layers| {
        layers.remove("a");
        layers.get_mut("b").unwrap().parent.clear();
    });
    assert_eq!(status(&merged).checksum, "");
}

fn status(removed: bool, children: &[&str]) -> SnapshotStatus {
    SnapshotStatus { mark_removed: removed, children: layer("x", "", children).children, ..SnapshotStatus::default() }
}

#[test]
fn delete_marks_then_purges_and_the_parent_of_the_head_stays() {
    for (children, expected) in [
        (&[][..], Fate::Mergeable),
        (&["b"], Fate::Mergeable),
        (&[VOLUME_HEAD], Fate::BelowHead),
        (&["b", VOLUME_HEAD], Fate::Branches),
    ] {
        assert_eq!(fate(&layer("a", "", children).children), expected, "{children:?}");
    }
    assert_eq!(delete::step(&status(false, &["b"]), true), Step::Mark);
    assert_eq!(delete::step(&status(true, &["b"]), false), Step::Purge);
    for (children, disabled, words) in [
        (&[VOLUME_HEAD][..], false, "below the head"),
        (&["b", "c"], false, "several"),
        (&["b"], true, "disable-snapshot-purge"),
    ] {
        let step = delete::step(&status(true, children), disabled);
        assert!(matches!(step, Step::Stay(why) if why.contains(words)), "{step:?}");
    }
    let layers = chain(|layers| layers.get_mut("b").unwrap().removed = true);
    let known = [taken("a"), deleting(taken("b"))];
    let of_b =
        changes(&layers, &known).into_iter().find(|change| matches!(change, Change::Tell { name, .. } if name == "b"));
    assert!(told(of_b).error.contains("Take another snapshot"));
}

#[test]
fn purges_are_wanted_for_what_can_go() {
    let wanted = |layers: &Layers, system| purge::wanted(layers, system).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(wanted(&chain(|_| {}), true), "");
    assert_eq!(wanted(&chain(|layers| layers.get_mut("a").unwrap().removed = true), false), "a");
    assert_eq!(wanted(&chain(|layers| layers.get_mut("b").unwrap().removed = true), false), "", "below the head");
    let system = chain(|layers| layers.get_mut("b").unwrap().usercreated = false);
    assert_eq!((wanted(&system, true), wanted(&system, false)), ("b".to_owned(), String::new()));
    let marked = chain(|layers| {
        let b = layers.get_mut("b").unwrap();
        (b.usercreated, b.removed) = (false, true);
    });
    assert_eq!(wanted(&marked, true), "", "a purge has done what it can");
    let without_file = chain(|layers| {
        layers.get_mut("a").unwrap().removed = true;
        layers.get_mut("b").unwrap().image_missing = true;
    });
    assert_eq!(wanted(&without_file, false), "");
}

#[test]
fn a_snapshot_is_taken_unless_its_name_is_taken_or_there_are_enough() {
    let limited = |most| {
        let mut volume = volume();
        volume.spec.snapshot_max_count = most;
        volume
    };
    let removed = |mut snapshot: Object<Snapshot>| {
        snapshot.status.mark_removed = true;
        snapshot
    };
    let qualified = {
        let mut snapshot = mirrored("v.a");
        snapshot.metadata.annotations.insert(ANNOTATION_LAYER.into(), "a".into());
        snapshot
    };
    for (what, snapshot, most, others, words) in [
        ("first", asking("a"), 250, vec![], ""),
        ("below the limit", asking("a"), 3, vec![taken("x"), taken("y")], ""),
        ("at the limit", asking("a"), 2, vec![taken("x"), taken("y")], "2 snapshots and may have 2"),
        ("removed ones do not count", asking("a"), 2, vec![taken("x"), removed(taken("y"))], ""),
        ("nor those that wait", asking("a"), 2, vec![taken("x"), asking("y")], ""),
        ("a layer of that name", asking("a"), 250, vec![qualified], "another snapshot named \"a\""),
        ("no name for a file", asking("a/b"), 250, vec![], "a/b"),
    ] {
        let known: Vec<_> = others.into_iter().chain([snapshot.clone()]).collect();
        match wish(&snapshot, &limited(most), &known) {
            Wish::Take => assert!(words.is_empty(), "{what}"),
            Wish::Waits(why) => assert!(!words.is_empty() && why.contains(words), "{what}: {why}"),
            Wish::Nothing => panic!("{what}"),
        }
    }
    for done in [taken("a"), mirrored("a"), deleting(asking("a"))] {
        assert_eq!(wish(&done, &limited(250), &[]), Wish::Nothing);
    }
}

#[test]
fn policy_from_volume_or_setting() {
    for (volume, setting, expected) in [
        (SnapshotDataIntegrity::Ignored, "fast-check", Policy::FastCheck),
        (SnapshotDataIntegrity::Ignored, "enabled", Policy::Enabled),
        (SnapshotDataIntegrity::Ignored, "disabled", Policy::Disabled),
        (SnapshotDataIntegrity::Disabled, "enabled", Policy::Disabled),
        (SnapshotDataIntegrity::Enabled, "disabled", Policy::Enabled),
        (SnapshotDataIntegrity::FastCheck, "disabled", Policy::FastCheck),
    ] {
        assert_eq!(Policy::of(volume, setting), expected, "{volume:?} {setting}");
    }
}

fn checked(name: &str, at: &str) -> Object<Snapshot> {
    let mut snapshot = taken(name);
    snapshot.status.checksum_calculated_at = at.into();
    snapshot
}

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

fn weekly(at_once: bool) -> Schedule {
    let times = Times::At { last: Some(datetime!(2026-11-15 0:00 UTC)), next: Some(datetime!(2026-11-22 0:00 UTC)) };
    Schedule { times, at_once }
}

#[test]
fn snapshots_are_hashed_once_in_each_period_the_longest_due_first() {
    let old = checked("old", "2026-11-08T00:00:00Z");
    let lately = checked("lately", "2026-11-15T00:03:00Z");
    let mut fresh = taken("fresh");
    fresh.status.creation_time = "2026-11-20T00:00:00Z".into();
    assert_eq!(turn(&[lately.clone(), old.clone()], &weekly(false), NOW), Turn::Hash("old"));
    let sleep = Turn::Sleep(Duration::from_secs(3600));
    assert_eq!(turn(&[lately.clone(), fresh.clone()], &weekly(false), NOW), sleep, "a period begins with the snapshot");
    assert_eq!(turn(&[lately, fresh.clone()], &weekly(true), NOW), Turn::Hash("fresh"));
    assert_eq!(turn(&[], &weekly(true), NOW), Turn::Never);
    let mut removed = old;
    removed.status.ready_to_use = false;
    assert_eq!(turn(&[removed, deleting(fresh)], &weekly(true), NOW), Turn::Never);
}

#[test]
fn a_checksum_is_what_all_replicas_agree_on() {
    let replica = |phase, checksum: &str, silently_corrupted| ReplicaHash {
        phase,
        checksum: checksum.into(),
        silently_corrupted,
        error: "why".into(),
        ..ReplicaHash::default()
    };
    let hashed = |checksum| replica(HashPhase::Hashed, checksum, false);
    let serving = BTreeSet::from(["a", "b"]);
    for (a, b, expected) in [
        (hashed("1"), hashed("1"), Verdict::Equal("1".into())),
        (hashed("1"), hashed("2"), Verdict::Differs),
        (hashed("1"), replica(HashPhase::Hashed, "1", true), Verdict::Equal("1".into())),
        (hashed("1"), replica(HashPhase::Failed, "", false), Verdict::Failed("b: why".into())),
    ] {
        let replicas = [("a".to_owned(), a), ("b".to_owned(), b), ("gone".to_owned(), hashed("3"))].into();
        assert_eq!(verdict(&HashProgress { replicas, ..HashProgress::default() }, &serving), expected);
    }
}

#[test]
fn no_snapshot_is_taken_of_a_copy_in_the_making() {
    use crate::resources::volume::CloneState;

    let mut copy = volume();
    copy.spec.data_source = "vol://source".into();
    for (state, taken) in [
        (CloneState::None, false),
        (CloneState::Initiated, false),
        (CloneState::Failed, false),
        (CloneState::Completed, true),
    ] {
        copy.status.clone_status.state = state;
        let wish = wish(&asking("a"), &copy, &[]);
        assert_eq!(wish == Wish::Take, taken, "{state:?}: {wish:?}");
        assert!(taken || matches!(wish, Wish::Waits(_)));
    }
}
