//! Full rebuilds: several sources and streams, losses in the middle, limits, cancellation.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::grpc::engine_v1::{EngineStatus, Rebuild, ReplicaMode};
use aurochs_engine::rebuild::RebuildPace;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use parties::{Parties, TestEngine};
use tokio::sync::watch;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB;
/// As good as standing still: one piece starts, the next one waits for days.
const CRAWL: RebuildPace = RebuildPace { max_bytes_per_second: 1, concurrent_sources: 0 };
const FREE: RebuildPace = RebuildPace { max_bytes_per_second: 0, concurrent_sources: 0 };

async fn write(volume: &Volume, offset: u64, byte: u8, length: usize) -> Result<(), IoError> {
    volume.write(offset, AlignedBuf::copy_of(&vec![byte; length]), Durability::Written).await
}

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: u64) {
    engine.run(|volume| async move { write(&volume, offset, byte, length as usize).await }).await.unwrap();
}

/// A volume with snapshots that cover each other in part.
async fn layered(copies: usize, snapshots: u64) -> (Parties, TestEngine) {
    let parties = Parties::new(SIZE, copies).await;
    let engine = parties.attach().await.unwrap();
    for at in 0..snapshots {
        put(&engine, at * 2 * MIB % (SIZE - 4 * MIB), at as u8 + 1, 3 * MIB).await;
        // Small extents far apart.
        for block in 0..4 {
            put(&engine, (at * 37 + block * 101) * 8192 % SIZE, 0x80 | at as u8, 4096).await;
        }
        let name = format!("s-{at}");
        engine.run(|volume| async move { volume.snapshot(&name, BTreeMap::new(), true).await }).await.unwrap();
    }
    (parties, engine)
}

fn set_pace(engine: &TestEngine, pace: RebuildPace) -> impl Future<Output = ()> {
    engine.run(move |volume| async move { volume.set_rebuild_pace(pace) })
}

async fn add(engine: &TestEngine, replica: &parties::Party) {
    let (name, address) = (replica.name.clone(), replica.proxy.address.clone());
    engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap();
}

fn rebuild_of(status: &EngineStatus, replica: &str) -> Rebuild {
    status.rebuilds.iter().find(|rebuild| rebuild.replica == replica).cloned().unwrap_or_default()
}

/// Waits for the end of a rebuild; returns what the status shows of it.
async fn ended(engine: &TestEngine, replica: &str) -> Rebuild {
    let over = engine.wait("rebuild over", |status| !rebuild_of(status, replica).running).await;
    rebuild_of(&over, replica)
}

/// Begins a rebuild that stands still after its first piece.
async fn begun(engine: &TestEngine, replica: &parties::Party) -> Rebuild {
    set_pace(engine, CRAWL).await;
    add(engine, replica).await;
    let begun = engine.wait("a piece copied", |status| rebuild_of(status, &replica.name).done_bytes > 0).await;
    rebuild_of(&begun, &replica.name)
}

async fn assert_equal(parties: &mut Parties, engine: &TestEngine) {
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let all: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    parties.equal_views(&all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sources_give_many_layers_while_the_volume_is_written_to() {
    let (mut parties, engine) = layered(2, 6).await;
    let joiner = parties.another().await;
    let stop = watch::Sender::new(false);
    let stopped = stop.subscribe();
    let load = engine.spawn(move |volume| async move {
        let mut written = 0_u64;
        while !*stopped.borrow() {
            // Parts of blocks, and across blocks.
            let offset = written * 7919 * 512 % (SIZE - 8192);
            write(&volume, offset, written as u8, 512 * (1 + written as usize % 16)).await?;
            written += 1;
        }
        Ok::<u64, IoError>(written)
    });
    add(&engine, &parties.replicas[joiner]).await;
    let rebuild = ended(&engine, &parties.replicas[joiner].name).await;
    stop.send_replace(true);
    assert!(load.await.unwrap().unwrap() > 0);
    assert_eq!((rebuild.error.as_str(), rebuild.done_bytes), ("", rebuild.planned_bytes));
    assert!(rebuild.done_bytes >= 6 * 3 * MIB, "{rebuild:?}");
    assert_eq!(rebuild.sources.len(), 2);
    for source in &rebuild.sources {
        assert!(source.done_bytes > 0 && source.streams > 0 && source.error.is_empty(), "{rebuild:?}");
    }
    assert_equal(&mut parties, &engine).await;
}

/// Holes small enough to be moved with the data around them, larger ones, and more data than one request has parts.
#[tokio::test(flavor = "multi_thread")]
async fn small_holes_are_still_holes_afterwards() {
    const BLOCK: u64 = 4096;
    let mut parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    for index in 0..400 {
        put(&engine, index * 2 * BLOCK, index as u8 | 1, BLOCK).await;
    }
    for index in 0..30 {
        put(&engine, 8 * MIB + index * (index % 7 + 1) * BLOCK, 9, BLOCK).await;
    }
    put(&engine, 12 * MIB - BLOCK, 7, 3 * MIB).await;
    engine.run(|volume| async move { volume.snapshot("s", BTreeMap::new(), true).await }).await.unwrap();
    let joiner = parties.another().await;
    add(&engine, &parties.replicas[joiner]).await;
    let over = ended(&engine, &parties.replicas[joiner].name).await;
    assert_eq!((over.error.as_str(), over.done_bytes), ("", over.planned_bytes));
    assert_equal(&mut parties, &engine).await;
    let extents = |party: &parties::Party| {
        let replica = Replica::open(&party.directory, OpenOptions::default()).unwrap();
        replica.layer_extents("volume-snap-s.img", 0, usize::MAX).unwrap()
    };
    let found = extents(&parties.replicas[0]);
    assert!(found.len() > 400, "{}", found.len());
    assert_eq!(extents(&parties.replicas[1]), found);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_source_goes_on_when_one_is_lost_in_the_middle() {
    let (mut parties, engine) = layered(2, 6).await;
    let joiner = parties.another().await;
    let rebuild = begun(&engine, &parties.replicas[joiner]).await;
    let gave = rebuild.sources.iter().find(|source| source.done_bytes > 0).unwrap().replica.clone();
    let lost = parties.replicas.iter().position(|replica| replica.name == gave).unwrap();
    parties.replicas[lost].crash().await;
    engine.wait_mode(&gave, ReplicaMode::Err).await;
    set_pace(&engine, FREE).await;
    let rebuild = ended(&engine, &parties.replicas[joiner].name).await;
    assert_eq!((rebuild.error.as_str(), rebuild.done_bytes), ("", rebuild.planned_bytes));
    let error_of = |name: &str| rebuild.sources.iter().find(|source| source.replica == name).unwrap().error.clone();
    assert!(!error_of(&gave).is_empty());
    parties.replicas.remove(lost);
    assert_eq!(error_of(&parties.replicas[0].name), "");
    assert_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bulk_streams_cost_a_source_and_no_member() {
    let (mut parties, engine) = layered(2, 6).await;
    let joiner = parties.another().await;
    let lanes = parties.replicas[0].proxy.opened();
    begun(&engine, &parties.replicas[joiner]).await;
    parties.replicas[0].proxy.cut_after(lanes);
    set_pace(&engine, FREE).await;
    let rebuild = ended(&engine, &parties.replicas[joiner].name).await;
    assert_eq!(rebuild.error, "");
    assert_eq!(engine.mode(&parties.replicas[0].name), Some(ReplicaMode::Rw));
    assert_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_that_is_lost_ends_its_rebuild_and_can_be_built_again() {
    let (mut parties, engine) = layered(2, 3).await;
    let joiner = parties.another().await;
    begun(&engine, &parties.replicas[joiner]).await;
    parties.replicas[joiner].crash().await;
    let name = parties.replicas[joiner].name.clone();
    let rebuild = ended(&engine, &name).await;
    assert!(rebuild.error.contains(&name), "{rebuild:?}");
    engine.wait_mode(&name, ReplicaMode::Err).await;
    assert!(!parties.keeper.record().members.contains(&name));
    put(&engine, 0, 77, MIB).await;
    parties.replicas[joiner].start();
    set_pace(&engine, FREE).await;
    engine.rebuild(&parties.replicas[joiner]).await;
    assert_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_that_is_removed_ends_its_rebuild_at_once() {
    let (mut parties, engine) = layered(1, 3).await;
    let joiner = parties.another().await;
    begun(&engine, &parties.replicas[joiner]).await;
    let name = parties.replicas[joiner].name.clone();
    let removed = name.clone();
    engine.run(|volume| async move { volume.remove_replica(&removed).await }).await.unwrap();
    let rebuild = ended(&engine, &name).await;
    assert!(rebuild.error.contains("removed on request"), "{rebuild:?}");
    assert_eq!(engine.mode(&name), None);
    // The same one again, and another one.
    set_pace(&engine, FREE).await;
    engine.rebuild(&parties.replicas[joiner]).await;
    let other = parties.another().await;
    engine.rebuild(&parties.replicas[other]).await;
    assert_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_closes_ends_its_rebuild() {
    let (mut parties, engine) = layered(2, 3).await;
    let joiner = parties.another().await;
    begun(&engine, &parties.replicas[joiner]).await;
    let name = parties.replicas[joiner].name.clone();
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let rebuild = rebuild_of(&engine.status(), &name);
    assert!(!rebuild.running && rebuild.error.contains("detached"), "{rebuild:?}");
    let record = parties.keeper.record();
    assert!(record.clean && !record.members.contains(&name) && record.joining.is_empty(), "{record:?}");
    let engine = parties.attach().await.unwrap();
    engine.rebuild(&parties.replicas[joiner]).await;
    assert_equal(&mut parties, &engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_to_and_shown() {
    let (mut parties, engine) = layered(2, 4).await;
    let joiner = parties.another().await;
    let limits = RebuildPace { max_bytes_per_second: 32 * MIB, concurrent_sources: 1 };
    set_pace(&engine, limits).await;
    let shown = engine.status().rebuild_pace.unwrap();
    assert_eq!((shown.max_bytes_per_second, shown.concurrent_sources), (32 * MIB, 1));
    add(&engine, &parties.replicas[joiner]).await;
    let together = |status: &EngineStatus| {
        let rebuild = rebuild_of(status, "v-r-2");
        rebuild.sources.iter().filter(|source| !source.snapshot.is_empty()).count()
    };
    let mut most = 0;
    let over = engine
        .wait("rebuild over", |status| {
            most = most.max(together(status));
            !rebuild_of(status, "v-r-2").running
        })
        .await;
    assert_eq!(rebuild_of(&over, "v-r-2").error, "");
    assert_eq!(most, 1, "sources at a time");
    assert_equal(&mut parties, &engine).await;
}

/// Longhorn fails replicas whose counter is below the highest.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_replica_counts_on_from_where_its_source_is() {
    let mut parties = Parties::counting(MIB, 1).await;
    let joiner = parties.another().await;
    let engine = parties.attach().await.unwrap();
    for block in 0..5 {
        put(&engine, block * 4096, 1, 4096).await;
    }
    engine.rebuild(&parties.replicas[joiner]).await;
    put(&engine, 0, 2, 4096).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    for replica in &mut parties.replicas {
        replica.stop().await;
        let counter = std::fs::read(replica.directory.join("revision.counter")).unwrap();
        assert_eq!(counter[..2], *b"6\0", "{}", replica.name);
    }
}
