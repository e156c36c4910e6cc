//! Purges and discards of a volume with several members: what they have purged may differ, what they show never does.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::path::Path;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{EngineStatus, PurgeState, ReplicaMode};
use aurochs_engine::link::frame::Kind;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::purge::IfPurging;
use parties::fake::{FakeReplica, Reply};
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 4 * MIB;
const BLOCK: u64 = 4096;

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: u64) {
    let data = AlignedBuf::copy_of(&vec![byte; length as usize]);
    engine.run(|volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

async fn get(engine: &TestEngine) -> Vec<u8> {
    engine.run(|volume| async move { volume.read(0, SIZE as u32).await }).await.unwrap().to_vec()
}

async fn discard(engine: &TestEngine, offset: u64, length: u64) {
    engine.run(|volume| async move { volume.discard(offset, length).await }).await.unwrap();
}

async fn take(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await.unwrap();
}

async fn remove(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.remove_snapshot(name).await }).await.unwrap();
}

async fn purge(engine: &TestEngine) -> EngineStatus {
    engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
    let status = engine.wait("purge over", |status| status.exclusive_work.is_empty()).await;
    for purge in &status.purges {
        assert_eq!((purge.state(), purge.error.as_str()), (PurgeState::PurgeComplete, ""), "{purge:?}");
        assert_eq!(purge.progress, 100);
    }
    status
}

/// The live snapshots and the head with what is seen from each.
fn live_views(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let open = Replica::open(directory, OpenOptions::default()).unwrap();
    let layers = open.layers().unwrap().into_iter().filter(|layer| !layer.removed);
    let view = |file: &str| open.read_layer_chain(file, 0, SIZE as u32).unwrap().to_vec();
    layers
        .map(|layer| (if layer.is_head { "head".to_owned() } else { layer.file_name.clone() }, view(&layer.file_name)))
        .collect()
}

/// Ends every replica; all show the same from every live layer. Returns that.
async fn equal_views(parties: &mut Parties) -> BTreeMap<String, Vec<u8>> {
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    let views: Vec<_> = parties.replicas.iter().map(|replica| live_views(&replica.directory)).collect();
    for other in &views[1..] {
        assert_eq!(views[0].keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (layer, bytes) in &views[0] {
            assert_eq!(bytes.iter().zip(&other[layer]).position(|(a, b)| a != b), None, "{layer} differs");
        }
    }
    views.into_iter().next().unwrap()
}

/// With every replica's process ended, does `work` on the directories.
async fn on_directories(parties: &mut Parties, work: impl Fn(usize, &Replica)) {
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    for (number, replica) in parties.replicas.iter().enumerate() {
        work(number, &Replica::open(&replica.directory, OpenOptions::default()).unwrap());
    }
    for replica in &mut parties.replicas {
        replica.start();
    }
}

async fn attach(parties: &Parties) -> TestEngine {
    let engine = parties.attach().await.map_err(|error| error.to_string()).unwrap();
    for replica in &parties.replicas {
        assert_eq!(engine.mode(&replica.name), Some(ReplicaMode::Rw), "{:?}", engine.status().replicas);
    }
    engine.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
    engine
}

/// `base` in all of the volume, `mid` and `top` over a part of it each, and something of the head's own.
async fn history(parties: &Parties) -> (TestEngine, Vec<u8>) {
    let engine = attach(parties).await;
    let mut expected = vec![1; SIZE as usize];
    put(&engine, 0, 1, SIZE).await;
    take(&engine, "base").await;
    for (name, at, byte) in [("mid", MIB, 2), ("top", 3 * MIB / 2, 3)] {
        put(&engine, at, byte, MIB).await;
        expected[at as usize..(at + MIB) as usize].fill(byte);
        take(&engine, name).await;
    }
    put(&engine, 2 * MIB, 4, MIB).await;
    expected[2 * MIB as usize..3 * MIB as usize].fill(4);
    (engine, expected)
}

async fn write_on(volume: Volume, mut going: tokio::sync::oneshot::Receiver<()>) -> u8 {
    let mut byte = 10;
    loop {
        let data = AlignedBuf::copy_of(&vec![byte; 64 << 10]);
        volume.write(SIZE - (64 << 10), data, Durability::Written).await.unwrap();
        if going.try_recv().is_ok() {
            return byte;
        }
        byte = byte % 200 + 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_under_writes_gives_space_back_on_every_member() {
    let mut parties = Parties::new(SIZE, 3).await;
    let (engine, mut expected) = history(&parties).await;
    remove(&engine, "mid").await;
    remove(&engine, "top").await;
    let (stop, going) = tokio::sync::oneshot::channel();
    let writer = engine.spawn(|volume| write_on(volume, going));
    let status = purge(&engine).await;
    stop.send(()).unwrap();
    expected[(SIZE - (64 << 10)) as usize..].fill(writer.await.unwrap());
    assert_eq!(status.purges.len(), 3);
    assert!(status.purges.iter().all(|purge| purge.planned_bytes > 0 && purge.done_bytes == purge.planned_bytes));
    assert!(get(&engine).await == expected);
    // The base, what the head holds, and the two others together without what the head hides: 1 of 2 MiB.
    let left = SIZE + MIB + (64 << 10) + MIB;
    let status = engine.wait("space is back", |status| status.actual_size_bytes == left).await;
    let names: Vec<_> = status.snapshots.iter().map(|snapshot| (snapshot.name.as_str(), snapshot.removed)).collect();
    assert_eq!(names, [("base", false), ("top", true), ("volume-head", false)]);
    assert_eq!(equal_views(&mut parties).await["head"], expected);
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_nobody_asked_for_go_with_a_purge() {
    let mut parties = Parties::new(SIZE, 1).await;
    let (engine, expected) = history(&parties).await;
    let added = parties.another().await;
    engine.rebuild(&parties.replicas[added]).await;
    put(&engine, 0, 1, BLOCK).await;
    take(&engine, "after").await;
    assert_eq!(engine.status().snapshots.len(), 6, "one of the rebuild");
    let status = purge(&engine).await;
    assert!(status.snapshots.iter().all(|snapshot| snapshot.user_created || snapshot.name == "volume-head"));
    assert_eq!(status.snapshots.len(), 5);
    let again = engine.run(|volume| async move { volume.purge(IfPurging::Skip).await }).await;
    again.unwrap();
    drop(engine);
    assert_eq!(equal_views(&mut parties).await["head"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_at_different_steps_of_a_purge_stay_members_and_discard_alike() {
    let mut parties = Parties::new(SIZE, 3).await;
    let (mut engine, mut expected) = history(&parties).await;
    engine.crash();
    // The first has purged everything, the second has only marks, the third was not even told of one.
    on_directories(&mut parties, |number, replica| {
        let marks: &[&str] = if number == 2 { &["mid"] } else { &["mid", "top"] };
        replica.mark_removed(&marks.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        if number == 0 {
            replica.purge().unwrap();
        }
    })
    .await;
    let engine = attach(&parties).await;
    assert!(get(&engine).await == expected);
    // All of top and mid shows through, and what the head has of its own.
    discard(&engine, 7 * MIB / 4, MIB / 2).await;
    expected[7 * MIB as usize / 4..9 * MIB as usize / 4].fill(1);
    assert!(get(&engine).await == expected);
    purge(&engine).await;
    assert!(get(&engine).await == expected);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);
    let views = equal_views(&mut parties).await;
    assert_eq!(views.keys().collect::<Vec<_>>(), ["head", "volume-snap-base.img"]);
    assert!(views["head"] == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_that_reached_only_one_member_is_made_good() {
    let mut parties = Parties::new(SIZE, 2).await;
    let (mut engine, _) = history(&parties).await;
    remove(&engine, "top").await;
    engine.crash();
    // Blocks that the head does not hold: they differ in a removed layer alone.
    on_directories(&mut parties, |number, replica| {
        if number == 0 {
            replica.discard(3 * MIB / 2, MIB / 4).unwrap();
        }
    })
    .await;
    let engine = attach(&parties).await;
    let seen = get(&engine).await;
    for _ in 0..4 {
        assert!(get(&engine).await == seen, "whichever member answers");
    }
    drop(engine);
    assert!(equal_views(&mut parties).await["head"] == seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_replica_joins_discards_change_nothing_and_a_purge_has_to_wait() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut parties = Parties::new(SIZE, 1).await;
    let (engine, expected) = history(&parties).await;
    let mut joiner = FakeReplica::start(&root.path().join("joiner.sock"), SIZE);
    let address = joiner.address.clone();
    engine.run(|volume| async move { volume.add_replica("joiner", address).await }).await.unwrap();
    let copying = joiner.next_of(Kind::LayerWrite).await;
    engine.run(|volume| async move { volume.set_unmap_mark_snap_chain_removed(true) }).await;
    discard(&engine, 0, SIZE).await;
    assert!(get(&engine).await == expected);
    assert!(engine.status().snapshots.iter().all(|snapshot| !snapshot.removed));
    let refused = engine.run(|volume| async move { volume.purge(IfPurging::Skip).await }).await.unwrap_err();
    assert!(refused.to_string().contains("a rebuild is running"), "{refused}");
    let refused = engine.run(|volume| async move { volume.revert("base").await }).await.unwrap_err();
    assert!(refused.to_string().contains("a rebuild is running"), "{refused}");
    copying.answer(Reply::Done);
    drop((engine, joiner));
    assert!(equal_views(&mut parties).await["head"] == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_option_a_discard_gives_back_what_snapshots_hold() {
    let mut parties = Parties::new(SIZE, 2).await;
    let (engine, mut expected) = history(&parties).await;
    discard(&engine, 0, MIB).await;
    assert!(get(&engine).await == expected, "without the option a live snapshot shows through");
    engine.run(|volume| async move { volume.set_unmap_mark_snap_chain_removed(true) }).await;
    assert!(engine.status().unmap_mark_snap_chain_removed);
    discard(&engine, 0, 5 * MIB / 2).await;
    expected[..5 * MIB as usize / 2].fill(0);
    assert!(get(&engine).await == expected);
    let status = engine.status();
    let marked: Vec<_> = status.snapshots.iter().filter(|snapshot| snapshot.removed).map(|s| s.name.as_str()).collect();
    assert_eq!(marked, ["base", "mid", "top"]);
    take(&engine, "later").await;
    purge(&engine).await;
    assert!(get(&engine).await == expected);
    drop(engine);
    let views = equal_views(&mut parties).await;
    assert_eq!(views.keys().collect::<Vec<_>>(), ["head", "volume-snap-later.img"]);
    assert!(views["head"] == expected);
}

/// File systems write zeros unasked: ext4 fills its tables for minutes after it was mounted.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_option_zeros_take_no_snapshot_along_unless_a_trim_marked_it() {
    let mut parties = Parties::new(SIZE, 2).await;
    let (engine, mut expected) = history(&parties).await;
    engine.run(|volume| async move { volume.set_unmap_mark_snap_chain_removed(true) }).await;
    let zero = async || {
        engine.run(|volume| async move { volume.write_zeroes(0, MIB, true, Durability::Written).await }).await.unwrap();
    };
    zero().await;
    expected[..MIB as usize].fill(0);
    assert!(get(&engine).await == expected);
    assert!(engine.status().snapshots.iter().all(|snapshot| !snapshot.removed), "{:?}", engine.status().snapshots);
    engine.run(|volume| async move { volume.mark_for_trim().await }).await;
    let status = engine.status();
    let live: Vec<_> = status.snapshots.iter().filter(|snapshot| !snapshot.removed).map(|s| s.name.as_str()).collect();
    assert_eq!(live, ["volume-head"]);
    zero().await;
    assert!(get(&engine).await == expected);
    drop(engine);
    assert!(equal_views(&mut parties).await["head"] == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_one_member_has_not_purged_yet_is_refused_before_anybody_takes_it() {
    let mut parties = Parties::new(SIZE, 2).await;
    let (mut engine, _) = history(&parties).await;
    remove(&engine, "mid").await;
    engine.crash();
    on_directories(&mut parties, |number, replica| {
        if number == 0 {
            replica.purge().unwrap();
        }
    })
    .await;
    let engine = attach(&parties).await;
    let again =
        engine.run(|volume| async move { volume.snapshot("mid", BTreeMap::new(), true).await }).await.unwrap_err();
    assert!(again.to_string().contains("already existing, removed and not yet purged"), "{again}");
    purge(&engine).await;
    take(&engine, "mid").await;
    for replica in &parties.replicas {
        assert_eq!(engine.mode(&replica.name), Some(ReplicaMode::Rw));
    }
}

/// A merge that takes long enough for something to come between.
const LONG: u64 = 128 * MIB;

async fn long_merge(engine: &TestEngine) {
    put(engine, 0, 1, MIB).await;
    take(engine, "base").await;
    put(engine, 0, 2, BLOCK).await;
    take(engine, "mid").await;
    for offset in (0..LONG).step_by(MIB as usize) {
        put(engine, offset, 3, MIB).await;
    }
    take(engine, "top").await;
    put(engine, 0, 4, BLOCK).await;
    remove(engine, "mid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_gives_way_to_a_rebuild_and_goes_on_afterwards() {
    let mut parties = Parties::new(LONG, 2).await;
    let engine = attach(&parties).await;
    long_merge(&engine).await;
    let added = parties.another().await;
    engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
    let (name, address) = (parties.replicas[added].name.clone(), parties.replicas[added].proxy.address.clone());
    engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap();
    let name = parties.replicas[added].name.clone();
    let says = format!("stopped so that replica {name} can be rebuilt");
    let status = engine.status();
    assert_eq!(status.exclusive_work, "a rebuild");
    for purge in &status.purges {
        assert!(purge.state() == PurgeState::PurgeError && purge.error.contains(&says), "{purge:?}");
    }
    // Asked for again, it is on its way.
    engine.run(|volume| async move { volume.purge(IfPurging::Skip).await }).await.unwrap();
    let refused = engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap_err();
    assert!(refused.to_string().contains("a rebuild is running"), "{refused}");
    engine.wait_mode(&name, ReplicaMode::Rw).await;
    let is_done = |status: &EngineStatus| {
        let complete = status.purges.iter().filter(|purge| purge.state() == PurgeState::PurgeComplete);
        complete.count() == 3 && status.exclusive_work.is_empty()
    };
    let status = engine.wait("the purge to go on and end", is_done).await;
    assert!(!status.snapshots.iter().any(|snapshot| snapshot.name == "mid"), "{:?}", status.snapshots);
    drop(engine);
    let members: Vec<String> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    let head = parties.equal_content(&members).await;
    assert!(
        head[..BLOCK as usize].iter().all(|byte| *byte == 4) && head[BLOCK as usize..].iter().all(|byte| *byte == 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_be_reached_stops_no_purge() {
    let parties = Parties::new(LONG, 1).await;
    let engine = attach(&parties).await;
    long_merge(&engine).await;
    engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
    let nowhere = aurochs_engine::link::Address::Unix(parties.root.path().join("nowhere.sock"));
    engine.run(|volume| async move { volume.add_replica("nobody", nowhere).await }).await.unwrap_err();
    let status = engine.wait("purge over", |status| status.exclusive_work.is_empty()).await;
    assert_eq!((status.purges[0].state(), status.purges[0].error.as_str()), (PurgeState::PurgeComplete, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_sent_again_while_one_member_has_purged_drops_nobody() {
    let mut parties = Parties::new(SIZE, 3).await;
    let (mut engine, expected) = history(&parties).await;
    engine.crash();
    // All have marked both; the first has merged `mid` away, and the second has only begun to.
    on_directories(&mut parties, |number, replica| {
        replica.mark_removed(&["mid".to_owned(), "top".to_owned()]).unwrap();
        match number {
            0 => replica.purge().unwrap(),
            1 => {
                let run = replica.begin_purge().unwrap().unwrap();
                replica.stop_purge("the test says so");
                drop(run);
            }
            _ => {}
        }
    })
    .await;
    let engine = attach(&parties).await;
    engine.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
    for name in ["mid", "top", "mid"] {
        let again = engine.run(move |volume| async move { volume.remove_snapshot(name).await }).await;
        // When every member is done there is nothing of that name any more.
        assert!(again.is_ok() || again.unwrap_err().to_string().contains("there is no snapshot"));
    }
    engine.wait("purge over", |status| status.exclusive_work.is_empty()).await;
    put(&engine, 0, 9, BLOCK).await;
    for replica in &parties.replicas {
        assert_eq!(engine.mode(&replica.name), Some(ReplicaMode::Rw), "{:?}", engine.status().replicas);
    }
    drop(engine);
    let views = equal_views(&mut parties).await;
    assert_eq!(views.keys().collect::<Vec<_>>(), ["head", "volume-snap-base.img"]);
    assert!(views["head"][BLOCK as usize..] == expected[BLOCK as usize..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_mark_what_the_others_have_removed_is_left_out() {
    let mut parties = Parties::new(SIZE, 3).await;
    let (mut engine, expected) = history(&parties).await;
    engine.crash();
    on_directories(&mut parties, |number, replica| {
        if number == 0 {
            replica.mark_removed(&["mid".to_owned()]).unwrap();
        }
    })
    .await;
    // The last one cannot replace the metadata of that snapshot.
    let in_the_way = parties.replicas[2].directory.join("volume-snap-mid.img.meta.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    let engine = parties.attach().await.map_err(|error| error.to_string()).unwrap();
    let status = engine.status();
    let left_out = status.replicas.iter().find(|replica| replica.name == parties.replicas[2].name).unwrap();
    assert_eq!(left_out.mode(), ReplicaMode::Err);
    assert!(left_out.cause.contains("could not mark what the others have marked"), "{}", left_out.cause);
    for replica in &parties.replicas[..2] {
        assert_eq!(engine.mode(&replica.name), Some(ReplicaMode::Rw), "{:?}", status.replicas);
    }
    let removed = status.snapshots.iter().find(|snapshot| snapshot.name == "mid").unwrap();
    assert!(removed.removed && get(&engine).await == expected);
    std::fs::remove_dir(&in_the_way).unwrap();
    engine.rebuild(&parties.replicas[2]).await;
    drop(engine);
    assert!(equal_views(&mut parties).await["head"] == expected);
}
