//! A replica that was a member comes back: it gets what it missed, or everything, and never less than it lacks.
//!
//! Each rule that this stands on can be left out, and then one of these tests fails: [`each_rule_is_missed`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod absences;
#[path = "../parties/mod.rs"]
mod parties;

use std::collections::{BTreeMap, BTreeSet};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{EngineStatus, Rebuild, ReplicaMode};
use aurochs_engine::rebuild::RebuildPace;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::rule;
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
const BLOCK: usize = 4096;
/// A block of a region that is missed.
const ONE: u64 = BLOCK as u64;
/// As good as standing still: one piece starts, the next one waits for days.
const CRAWL: RebuildPace = RebuildPace { max_bytes_per_second: 1, concurrent_sources: 0 };
const FREE: RebuildPace = RebuildPace { max_bytes_per_second: 0, concurrent_sources: 0 };
/// The one that goes and comes back.
const BACK: usize = 1;

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: usize) {
    let data = AlignedBuf::copy_of(&vec![byte; length]);
    engine.run(move |volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

/// In the middle of a region.
async fn put_block(engine: &TestEngine, region: u64, byte: u8) {
    put(engine, region * MIB + 8192, byte, BLOCK).await;
}

async fn snapshot(engine: &TestEngine, name: &'static str, user_created: bool) {
    engine.run(move |volume| async move { volume.snapshot(name, BTreeMap::new(), user_created).await }).await.unwrap();
}

/// Nothing is in flight: everything becomes clean on all members.
async fn clear(engine: &TestEngine) {
    while !engine.run(|volume| async move { volume.clear_dirty_regions().await }).await {}
}

/// Two members with 8 MiB of data below a snapshot and some above it; all regions are clean.
async fn begin() -> (Parties, TestEngine) {
    begin_with(2).await
}

async fn begin_with(copies: usize) -> (Parties, TestEngine) {
    let parties = Parties::new(SIZE, copies).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, 8 * MIB as usize).await;
    snapshot(&engine, "s", true).await;
    put_block(&engine, 2, 2).await;
    put_block(&engine, 20, 2).await;
    clear(&engine).await;
    (parties, engine)
}

/// Its process ends, and the engine has recorded that it is no member.
async fn leave(parties: &mut Parties, engine: &TestEngine) {
    parties.replicas[BACK].crash().await;
    let name = parties.replicas[BACK].name.clone();
    engine.wait_mode(&name, ReplicaMode::Err).await;
    let is_out = |keeper: &parties::keeper::TestKeeper| !keeper.record().members.contains(&name);
    engine.wait("its end is recorded", |_| is_out(&parties.keeper)).await;
}

/// It is a member again; its rebuild as it was shown.
async fn come_back(parties: &mut Parties, engine: &TestEngine) -> Rebuild {
    parties.replicas[BACK].start();
    engine.rebuild(&parties.replicas[BACK]).await;
    rebuild_of(&engine.status(), &parties.replicas[BACK].name)
}

async fn come_back_in_full(parties: &mut Parties, engine: &TestEngine) {
    assert_in_full(&come_back(parties, engine).await);
}

fn assert_in_full(rebuild: &Rebuild) {
    assert!(rebuild.planned_bytes >= 8 * MIB, "in full: {rebuild:?}");
}

async fn add(parties: &mut Parties, engine: &TestEngine) {
    parties.replicas[BACK].start();
    let (name, address) = (parties.replicas[BACK].name.clone(), parties.replicas[BACK].proxy.address.clone());
    engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap();
}

fn rebuild_of(status: &EngineStatus, replica: &str) -> Rebuild {
    status.rebuilds.iter().find(|rebuild| rebuild.replica == replica).cloned().unwrap_or_default()
}

async fn ended(engine: &TestEngine) -> Rebuild {
    let over = engine.wait("rebuild over", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
    over.rebuilds[0].clone()
}

/// All replicas are members and equal; what is seen from the head.
async fn close_equal(parties: &mut Parties, engine: &TestEngine) -> Vec<u8> {
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let all: BTreeSet<String> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_eq!(parties.keeper.record().members, all);
    parties.equal_content(&all.into_iter().collect::<Vec<_>>()).await
}

/// Snapshots that rebuilds took.
fn separating(engine: &TestEngine) -> usize {
    let status = engine.status();
    status.snapshots.iter().filter(|snapshot| !snapshot.user_created && snapshot.name != "volume-head").count()
}

fn set_pace(engine: &TestEngine, pace: RebuildPace) -> impl Future<Output = ()> {
    engine.run(move |volume| async move { volume.set_rebuild_pace(pace) })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gets_what_it_missed_and_no_more() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    put_block(&engine, 12, 3).await;
    put_block(&engine, 5, 3).await;
    // The others forget, and it does not come too late for that.
    clear(&engine).await;
    put_block(&engine, 9, 3).await;
    engine.run(|volume| async move { volume.discard(20 * MIB, MIB).await }).await.unwrap();
    let rebuild = come_back(&mut parties, &engine).await;
    put_block(&engine, 17, 4).await;
    let snapshots = separating(&engine);
    let content = close_equal(&mut parties, &engine).await;
    let byte = |region: u64| content[(region * MIB) as usize + 8192];
    assert_eq!([0, 2, 5, 9, 12, 17, 20].map(byte), [1, 2, 3, 3, 3, 4, 0]);
    assert_eq!((rebuild.planned_bytes, rebuild.done_bytes, snapshots), (4 * ONE, 4 * ONE, 0));
    // What was never written is a hole still.
    let open = Replica::open(&parties.replicas[BACK].directory, OpenOptions::default()).unwrap();
    let head = open.layers().unwrap().into_iter().find(|layer| layer.is_head).unwrap();
    assert!(head.allocated_bytes <= 64 << 10, "{} bytes in the head", head.allocated_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_alone_had_goes() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    put_block(&engine, 5, 3).await;
    {
        // The last engine may have sent it what no other replica got.
        let alone = Replica::open(&parties.replicas[BACK].directory, OpenOptions::default()).unwrap();
        alone.write(15 * MIB, &AlignedBuf::copy_of(&[9; BLOCK])).unwrap();
    }
    let rebuild = come_back(&mut parties, &engine).await;
    let content = close_equal(&mut parties, &engine).await;
    assert_eq!((content[15 * MIB as usize], rebuild.planned_bytes), (0, 2 * ONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_it_catches_up_is_on_it_too() {
    let (mut parties, engine) = begin_with(3).await;
    leave(&mut parties, &engine).await;
    for region in (0..24).rev() {
        put_block(&engine, region, 3).await;
    }
    add(&mut parties, &engine).await;
    let name = parties.replicas[BACK].name.clone();
    engine.wait_mode(&name, ReplicaMode::Wo).await;
    for region in 0..24 {
        put(&engine, region * MIB + 100, 4, 5000).await;
        engine
            .run(move |volume| async move {
                volume.write_zeroes(region * MIB + 65_536, 5000, true, Durability::Written).await
            })
            .await
            .unwrap();
    }
    assert_eq!(ended(&engine).await.error, "");
    engine.wait_mode(&name, ReplicaMode::Rw).await;
    let content = close_equal(&mut parties, &engine).await;
    assert!((0..24_usize).all(|region| content[(region << 20) + 100] == 4 && content[(region << 20) + 12_287] == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_missing_at_the_start_catches_up_too() {
    let (mut parties, mut engine) = begin().await;
    engine.crash();
    parties.replicas[BACK].crash().await;
    let engine = parties.attach().await.unwrap();
    put_block(&engine, 7, 3).await;
    clear(&engine).await;
    let rebuild = come_back(&mut parties, &engine).await;
    let content = close_equal(&mut parties, &engine).await;
    assert_eq!((content[7 * MIB as usize + 8192], rebuild.planned_bytes), (3, ONE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catch_up_that_broke_off_begins_again() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    for region in [3, 11, 6, 19, 14, 22] {
        put_block(&engine, region, 3).await;
    }
    set_pace(&engine, CRAWL).await;
    add(&mut parties, &engine).await;
    let first = |status: &EngineStatus| status.rebuilds.iter().any(|rebuild| rebuild.done_bytes == ONE);
    engine.wait("the first piece has arrived", first).await;
    // It got this one, and the members know of it too.
    put_block(&engine, 0, 5).await;
    parties.replicas[BACK].crash().await;
    assert!(!ended(&engine).await.error.is_empty());
    {
        let half = Replica::open(&parties.replicas[BACK].directory, OpenOptions::default()).unwrap();
        assert!(half.rebuilding(), "half of it is old");
    }
    clear(&engine).await;
    set_pace(&engine, FREE).await;
    let rebuild = come_back(&mut parties, &engine).await;
    let content = close_equal(&mut parties, &engine).await;
    let byte = |region: u64| content[(region * MIB) as usize + 8192];
    assert_eq!([0, 3, 6, 11, 14, 19, 22].map(byte), [5, 3, 3, 3, 3, 3, 3]);
    assert_eq!(rebuild.planned_bytes, 7 * ONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_meanwhile_is_right_and_ends_the_catch_up() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    for region in [3, 11, 6, 19] {
        put_block(&engine, region, 3).await;
    }
    set_pace(&engine, CRAWL).await;
    add(&mut parties, &engine).await;
    let name = parties.replicas[BACK].name.clone();
    engine.wait_mode(&name, ReplicaMode::Wo).await;
    snapshot(&engine, "meanwhile", true).await;
    assert!(!ended(&engine).await.error.is_empty());
    set_pace(&engine, FREE).await;
    come_back_in_full(&mut parties, &engine).await;
    close_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_of_layers_it_is_rebuilt_in_full() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    put_block(&engine, 3, 3).await;
    snapshot(&engine, "meanwhile", true).await;
    come_back_in_full(&mut parties, &engine).await;
    close_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_directory_somebody_else_had_is_rebuilt_in_full() {
    let (mut parties, engine) = begin().await;
    leave(&mut parties, &engine).await;
    // What that one writes is in no log.
    parties.replicas[BACK].was_opened_elsewhere();
    come_back_in_full(&mut parties, &engine).await;
    close_equal(&mut parties, &engine).await;
}

/// Whoever asks for that gives its data up: a snapshot that its disk has changed, for example.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_removed_on_request_is_rebuilt_in_full() {
    let (mut parties, engine) = begin().await;
    let name = parties.replicas[BACK].name.clone();
    engine.run(|volume| async move { volume.remove_replica(&name).await }).await.unwrap();
    come_back_in_full(&mut parties, &engine).await;
    // As any other, once it is a member.
    clear(&engine).await;
    leave(&mut parties, &engine).await;
    put_block(&engine, 5, 3).await;
    assert_eq!(come_back(&mut parties, &engine).await.planned_bytes, ONE);
    close_equal(&mut parties, &engine).await;
}

/// Two members are given up one after the other, each when the other one is not there. Both know of an absence of the other,
/// and both have written alone since.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_down_in_an_earlier_absence_does_not_count() {
    let (mut parties, mut engine) = begin().await;
    leave(&mut parties, &engine).await;
    put_block(&engine, 2, 3).await;
    clear(&engine).await;
    engine.crash();
    parties.replicas[0].crash().await;
    parties.replicas[BACK].start();
    let mut engine = parties.attach_salvaging().await.unwrap();
    put_block(&engine, 6, 4).await;
    clear(&engine).await;
    engine.crash();
    parties.replicas[BACK].crash().await;
    parties.replicas[0].start();
    let engine = parties.attach_salvaging().await.unwrap();
    clear(&engine).await;
    // That members differ is noticed first, where a rule is left out.
    let rebuild = come_back(&mut parties, &engine).await;
    let content = close_equal(&mut parties, &engine).await;
    assert_eq!((content[2 * MIB as usize + 8192], content[6 * MIB as usize + 8192]), (3, 1));
    assert_in_full(&rebuild);
}

/// Its layers have the right names by then, and nothing in them.
#[tokio::test(flavor = "multi_thread")]
async fn one_whose_rebuild_in_full_broke_off_does_not_catch_up() {
    let (mut parties, engine) = begin().await;
    // Serves as the snapshot that separates what is copied from what is written: none is taken, and nothing is forgotten.
    snapshot(&engine, "system", false).await;
    clear(&engine).await;
    leave(&mut parties, &engine).await;
    engine.run(|volume| async move { volume.remove_snapshot("s").await }).await.unwrap();
    set_pace(&engine, CRAWL).await;
    add(&mut parties, &engine).await;
    let planned = |status: &EngineStatus| status.rebuilds.iter().any(|rebuild| rebuild.planned_bytes > 0);
    let rebuild = engine.wait("it is being copied", planned).await.rebuilds[0].clone();
    assert_in_full(&rebuild);
    parties.replicas[BACK].crash().await;
    assert!(!ended(&engine).await.error.is_empty());
    set_pace(&engine, FREE).await;
    let rebuild = come_back(&mut parties, &engine).await;
    close_equal(&mut parties, &engine).await;
    assert_in_full(&rebuild);
}

/// What no test misses is not tested.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build leaves no rule out")]
fn each_rule_is_missed() {
    let cases = [
        (rule::MISSED_FIRST, "it_gets_what_it_missed_and_no_more"),
        (rule::OWN_DIRTY_COUNTS, "what_it_alone_had_goes"),
        (rule::LAST_ABSENCE_COUNTS, "what_was_taken_down_in_an_earlier_absence_does_not_count"),
        (rule::REBUILD_FORGETS, "one_whose_rebuild_in_full_broke_off_does_not_catch_up"),
    ];
    for (left_out, test) in cases {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(rule::LEAVE_OUT, left_out)
            .output()
            .unwrap();
        let said = String::from_utf8(run.stdout).unwrap();
        assert!(said.contains("differs from"), "nothing notices that {left_out} is left out: {said}");
    }
}
