//! A volume that grows while it is in use, that grew while it was down, or whose growing broke off; and the limits of
//! its snapshots.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoErrorKind};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::link::frame::Kind;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::barrier::OperationError;
use aurochs_engine::volume::purge::IfPurging;
use aurochs_engine::volume::snapshot_limits::SnapshotLimits;
use aurochs_engine::volume::start::StartOptions;
use parties::fake::{FakeReplica, Reply};
use parties::keeper::TestKeeper;
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const CREATED: &str = "2026-11-21T02:06:49Z";

async fn expand(engine: &TestEngine, size: u64) -> Result<(), OperationError> {
    engine.run(move |volume| async move { volume.expand(size, std::future::ready(Ok(()))).await }).await
}

async fn snapshot(engine: &TestEngine, name: &'static str) -> Result<String, OperationError> {
    engine.run(move |volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await
}

async fn fill(engine: &TestEngine, offset: u64, length: u64, byte: u8) {
    let data = AlignedBuf::copy_of(&vec![byte; length as usize]);
    engine.run(move |volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

async fn close(engine: &TestEngine) {
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
}

fn members(parties: &Parties) -> Vec<String> {
    parties.keeper.record().members.into_iter().collect()
}

fn snapshots(engine: &TestEngine) -> Vec<String> {
    engine.status().snapshots.into_iter().map(|snapshot| snapshot.name).collect()
}

/// Expands a replica's directory as an engine would have.
fn expand_directory(parties: &Parties, index: usize, size: u64) {
    let replica = Replica::open(&parties.replicas[index].directory, OpenOptions::default()).unwrap();
    replica.expand(size, CREATED).unwrap();
    replica.close().unwrap();
}

/// Writes a counter into its own sector again and again until told to stop; returns the last one acknowledged.
async fn count(volume: Volume, sector: u64, stop: Arc<AtomicBool>) -> u64 {
    let mut value = 0;
    while !stop.load(Ordering::Relaxed) {
        value += 1;
        let data = AlignedBuf::copy_of(&u64::to_le_bytes(value).repeat(64));
        volume.write(sector * 512, data, Durability::Written).await.unwrap();
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn it_grows_under_writes_and_every_replica_with_it() {
    let mut parties = Parties::new(MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..4).map(|sector| engine.spawn(|volume| count(volume, sector, Arc::clone(&stop)))).collect();
    let told = Arc::new(AtomicU64::new(0));
    for size in [2 * MIB, 3 * MIB + 4096] {
        let told = Arc::clone(&told);
        let expanded = engine.run(move |volume| async move {
            let users = volume.clone();
            let tell_users = async move {
                told.store(users.size(), Ordering::SeqCst);
                Ok(())
            };
            volume.expand(size, tell_users).await
        });
        expanded.await.unwrap();
        assert_eq!(engine.status().size_bytes, size);
        fill(&engine, size - 4096, 4096, 7).await;
    }
    assert_eq!(told.load(Ordering::SeqCst), 3 * MIB + 4096, "the frontend is told when the new size is there");
    stop.store(true, Ordering::Relaxed);
    let mut last = Vec::new();
    for writer in writers {
        last.push(writer.await.unwrap());
    }
    let past = engine.run(|volume| async move { volume.read(3 * MIB + 4096, 1).await }).await.unwrap_err();
    assert_eq!(past.kind, IoErrorKind::OutOfRange);
    assert_eq!(snapshots(&engine), ["expand-2097152", "expand-3149824", "volume-head"]);
    let left = engine.status().snapshots.into_iter().find(|left| left.name == "expand-2097152").unwrap();
    assert!(!left.user_created && left.labels["replica-expansion"] == "2097152");
    close(&engine).await;
    drop(engine);
    let names = members(&parties);
    assert_eq!(names.len(), 3);
    let content = parties.equal_content(&names).await;
    assert_eq!(content.len() as u64, 3 * MIB + 4096);
    for (sector, value) in last.into_iter().enumerate() {
        assert_eq!(content[sector * 512..][..8], value.to_le_bytes());
    }
    assert!(content[2 * MIB as usize - 4096..][..4096].iter().all(|byte| *byte == 7));
    assert!(content[2 * MIB as usize..3 * MIB as usize].iter().all(|byte| *byte == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    expand(&engine, MIB).await.unwrap();
    for (size, why) in [(MIB - 4096, "cannot shrink"), (MIB + 512, "multiple of 4096")] {
        let refused = expand(&engine, size).await.unwrap_err();
        assert!(matches!(&refused, OperationError::Refused(text) if text.contains(why)), "{refused}");
    }
    assert_eq!(snapshots(&engine), ["volume-head"]);
    // All replicas refuse alike: the volume is as it was, and the status remembers.
    snapshot(&engine, "expand-2097152").await.unwrap();
    let refused = expand(&engine, 2 * MIB).await.unwrap_err();
    assert!(refused.to_string().contains("already existing"), "{refused}");
    let status = engine.status();
    assert_eq!((status.size_bytes, status.is_expanding), (MIB, false));
    assert!(status.last_expansion_error.contains("already existing") && status.last_expansion_failed_at.ends_with('Z'));
    assert!(status.replicas.iter().all(|replica| replica.mode() == ReplicaMode::Rw));
    // A frontend that can't follow is told of, and the size stays.
    let stuck = std::future::ready(Err("the device is stuck".to_owned()));
    engine.run(move |volume| async move { volume.expand(3 * MIB, stuck).await }).await.unwrap();
    let status = engine.status();
    assert_eq!((status.size_bytes, status.last_expansion_error.as_str()), (3 * MIB, "the device is stuck"));
    expand(&engine, 3 * MIB).await.unwrap();
    assert_eq!(engine.status().last_expansion_error, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_fails_is_dropped_and_rebuilt_at_the_new_size() {
    let mut parties = Parties::new(MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    fill(&engine, 0, MIB, 1).await;
    snapshot(&engine, "before").await.unwrap();
    fill(&engine, MIB - 4096, 4096, 2).await;
    parties.replicas[1].crash().await;
    expand(&engine, 2 * MIB).await.unwrap();
    let failed = parties.replicas[1].name.clone();
    assert_eq!((engine.mode(&failed), engine.status().size_bytes), (Some(ReplicaMode::Err), 2 * MIB));
    fill(&engine, MIB, 8192, 3).await;
    snapshot(&engine, "after").await.unwrap();

    parties.replicas[1].start();
    engine.rebuild(&parties.replicas[1]).await;
    // One that was made for the old size joins as well.
    let new = parties.another().await;
    engine.rebuild(&parties.replicas[new]).await;
    // One that is larger is no replica of this volume.
    let larger = parties.another().await;
    parties.replicas[larger].stop().await;
    expand_directory(&parties, larger, 4 * MIB);
    parties.replicas[larger].start();
    let (name, address) = (parties.replicas[larger].name.clone(), parties.replicas[larger].proxy.address.clone());
    let refused = engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap_err();
    assert!(refused.to_string().contains("4194304 bytes"), "{refused}");

    fill(&engine, 2 * MIB - 4096, 4096, 4).await;
    close(&engine).await;
    drop(engine);
    let names = members(&parties);
    assert_eq!(names.len(), 4);
    let content = parties.equal_content(&names).await;
    let byte = |at: u64| content[at as usize];
    assert_eq!([0, MIB - 1, MIB, MIB + 8192, 2 * MIB - 1].map(byte), [1, 2, 3, 0, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expansion_that_broke_off_is_completed_at_the_next_start() {
    let mut parties = Parties::new(MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    fill(&engine, 0, MIB, 1).await;
    close(&engine).await;
    drop(engine);
    // One replica got as far as the new size; the engine and whoever started it were gone before the others had it.
    parties.replicas[2].stop().await;
    expand_directory(&parties, 2, 2 * MIB);
    parties.replicas[2].start();
    let engine = parties.attach().await.unwrap();
    assert_eq!(engine.status().size_bytes, 2 * MIB, "the larger size counts");
    fill(&engine, MIB, MIB, 2).await;
    close(&engine).await;
    drop(engine);
    let names = members(&parties);
    assert_eq!(names.len(), 3, "nobody is dropped");
    let content = parties.equal_content(&names).await;
    assert!(content[..MIB as usize].iter().all(|byte| *byte == 1) && content[MIB as usize..].iter().all(|b| *b == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_expanded_while_it_was_down_grows() {
    let mut parties = Parties::new(MIB, 2).await;
    let mut engine = parties.attach().await.unwrap();
    fill(&engine, 0, MIB, 1).await;
    // Not closed: what the replicas hold has to be made equal before it is frozen into a layer.
    engine.crash();
    parties.size = 2 * MIB;
    let engine = parties.attach().await.unwrap();
    let grown = engine.wait("grown", |status| status.size_bytes == 2 * MIB && !status.is_expanding).await;
    assert_eq!((grown.last_expansion_error.as_str(), grown.reconcile_regions_left), ("", 0));
    fill(&engine, 2 * MIB - 4096, 4096, 2).await;
    // A volume that can't grow is served all the same.
    snapshot(&engine, "expand-3145728").await.unwrap();
    close(&engine).await;
    drop(engine);
    // After a clean stop it grows before it is served.
    parties.size = 3 * MIB;
    let engine = parties.attach().await.unwrap();
    let status = engine.status();
    assert_eq!(status.size_bytes, 2 * MIB);
    assert!(status.last_expansion_error.contains("already existing"), "{}", status.last_expansion_error);
    close(&engine).await;
    drop(engine);
    let names = members(&parties);
    let content = parties.equal_content(&names).await;
    assert_eq!((content[0], content[MIB as usize], content[2 * MIB as usize - 1]), (1, 0, 2));
}

/// Comparing what the members hold takes hours on a large volume; whoever started it waits for the device.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_has_to_grow_the_volume_is_not_held_up_by_the_comparison() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut parties = Parties::new(MIB, 0).await;
    let fake = |name: &str, sum| FakeReplica::with_checksum(&root.path().join(name), MIB, [sum; 32]);
    let (mut source, mut other) = (fake("a", 1), fake("b", 2));
    parties.keeper = TestKeeper::new(["a", "b"].into_iter().map(str::to_owned));
    parties.keeper.set_unclean();
    let addresses = [("a", &source.address), ("b", &other.address)];
    let replicas = addresses.into_iter().map(|(name, at)| (name.to_owned(), at.clone())).collect();
    let options = StartOptions { size: 2 * MIB, replicas, ..parties.raise_epoch() };
    let started = tokio::time::timeout(parties::PATIENCE, parties.attach_with(options)).await;
    let engine = started.expect("up while the members differ").unwrap();
    let copied = source.next_of(Kind::Read).await;
    let status = engine.status();
    assert_eq!((status.size_bytes, status.is_expanding, status.reconcile_regions_left), (MIB, true, 1));
    let past = engine.run(|volume| async move { volume.read(MIB, 4096).await }).await.unwrap_err();
    assert_eq!(past.kind, IoErrorKind::OutOfRange, "no member has room for it yet");
    let refused = engine.run(|volume| async move { volume.purge(IfPurging::Skip).await }).await.unwrap_err();
    assert!(refused.to_string().contains("an expansion is running"), "{refused}");
    copied.answer(Reply::Done);
    other.next_of(Kind::Write).await.answer(Reply::Done);
    engine.wait("grown", |status| status.size_bytes == 2 * MIB && !status.is_expanding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_keep_within_their_limits() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    let limit = async |count, size| {
        let limits = SnapshotLimits::checked(count, size).unwrap();
        engine.run(move |volume| async move { volume.set_snapshot_limits(limits) }).await;
    };
    let refused = |taken: Result<String, OperationError>| match taken {
        Err(OperationError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    limit(2, 0).await;
    snapshot(&engine, "a").await.unwrap();
    snapshot(&engine, "b").await.unwrap();
    assert!(refused(snapshot(&engine, "c").await).contains("has 2 snapshots and may have 2"));
    let expansion = expand(&engine, 2 * MIB).await.unwrap_err();
    assert!(expansion.to_string().contains("may have 2"), "an expansion takes a snapshot too: {expansion}");
    // One that is marked removed makes room, even while its layer is still in the chain.
    engine.run(|volume| async move { volume.remove_snapshot("b").await }).await.unwrap();
    snapshot(&engine, "c").await.unwrap();

    fill(&engine, 0, 64 << 10, 1).await;
    limit(0, 60 << 10).await;
    let why = refused(snapshot(&engine, "d").await);
    assert!(why.contains("may take 61440") && why.contains("snapshot-max-size"), "{why}");
    let status = engine.status();
    assert_eq!((status.snapshot_max_count, status.snapshot_max_size_bytes), (250, 60 << 10));
    limit(0, 64 << 10).await;
    snapshot(&engine, "d").await.unwrap();

    let labelled = BTreeMap::from([("not a key".to_owned(), "x".to_owned())]);
    let why = refused(engine.run(|volume| async move { volume.snapshot("e", labelled, true).await }).await);
    assert!(why.contains("\"not a key\""), "{why}");
}
