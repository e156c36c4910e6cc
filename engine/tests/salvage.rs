//! What happens when every member of a volume is lost: nothing by itself, and on request the best of what is left.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::path::PathBuf;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::start::{StartError, StartOptions};
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const BLOCK: usize = 4096;

async fn put(engine: &TestEngine, block: u64, byte: u8) {
    let data = AlignedBuf::copy_of(&[byte; BLOCK]);
    engine
        .run(|volume| async move { volume.write(block * BLOCK as u64, data, Durability::Stable).await })
        .await
        .unwrap();
}

/// The first byte of each of the first three blocks.
async fn content(engine: &TestEngine) -> [u8; 3] {
    let read = engine.run(|volume| async move { volume.read(0, 3 * BLOCK as u32).await }).await.unwrap();
    [read[0], read[BLOCK], read[2 * BLOCK]]
}

async fn remove(engine: &TestEngine, name: &str) {
    let name = name.to_owned();
    engine.run(|volume| async move { volume.remove_replica(&name).await }).await.unwrap();
}

/// Three replicas with one write on all of them, one that the second missed, and one that only the first has, which is
/// the only member. No process runs.
async fn left_behind() -> Parties {
    let mut parties = Parties::new(MIB, 3).await;
    let mut engine = parties.attach().await.unwrap();
    put(&engine, 0, 1).await;
    remove(&engine, "v-r-1").await;
    put(&engine, 1, 2).await;
    remove(&engine, "v-r-2").await;
    put(&engine, 2, 3).await;
    engine.crash();
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    parties
}

/// The disk of the only member is gone. Returns where it is to be found, should it come back.
fn lose_member(parties: &Parties) -> PathBuf {
    let away = parties.root.path().join("away");
    std::fs::rename(&parties.replicas[0].directory, &away).unwrap();
    away
}

fn start_all(parties: &mut Parties) {
    for replica in &mut parties.replicas {
        replica.start();
    }
}

fn change_meta(parties: &Parties, replica: usize, from: &str, to: &str) {
    let path = parties.replicas[replica].directory.join("volume.meta");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

fn reasons(started: Result<TestEngine, StartError>) -> String {
    match started {
        Err(error @ StartError::NoReplica { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it came up"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_person_gives_the_members_up_and_the_last_to_leave_is_taken() {
    let mut parties = left_behind().await;
    let away = lose_member(&parties);
    start_all(&mut parties);
    let before = parties.keeper.record();
    let refused = reasons(parties.attach().await);
    for part in ["v-r-0", "--salvage", "v-r-1", "v-r-2", "lost"] {
        assert!(refused.contains(part), "{part} is not in: {refused}");
    }
    assert_eq!(parties.keeper.record().members, before.members);

    let mut engine = parties.attach_salvaging().await.map_err(|error| error.to_string()).unwrap();
    assert_eq!(content(&engine).await, [1, 2, 0], "the write that only the lost one had is gone, nothing else");
    let record = parties.keeper.record();
    assert_eq!(record.members.iter().collect::<Vec<_>>(), ["v-r-2"]);
    assert_eq!((record.generation.0, record.clean), (before.generation.0 + 1, false));
    let status = engine.status();
    assert!(status.salvage.contains("v-r-2 was chosen"), "{}", status.salvage);
    let left_out = status.replicas.iter().find(|replica| replica.name == "v-r-1").unwrap();
    assert_eq!((left_out.mode(), left_out.cause.as_str()), (ReplicaMode::Err, "left out by salvage; rebuild it"));
    put(&engine, 2, 4).await;
    engine.crash();

    // The lost one comes back; it is no source any more, and can be rebuilt.
    parties.replicas[0].crash().await;
    std::fs::rename(&away, &parties.replicas[0].directory).unwrap();
    parties.replicas[0].start();
    let engine = parties.attach().await.unwrap();
    assert_eq!(content(&engine).await, [1, 2, 4]);
    assert_eq!(engine.status().salvage, "");
    engine.rebuild(&parties.replicas[0]).await;
    engine.rebuild(&parties.replicas[1]).await;
    drop(engine);
    let all: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_eq!(parties.equal_content(&all).await[2 * BLOCK], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_can_be_used_is_used_though_a_salvage_is_asked_for() {
    let mut parties = left_behind().await;
    start_all(&mut parties);
    let engine = parties.attach_salvaging().await.unwrap();
    assert_eq!(content(&engine).await, [1, 2, 3]);
    assert_eq!(engine.status().salvage, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_rebuilt_and_new_replicas_are_never_chosen() {
    let mut parties = left_behind().await;
    lose_member(&parties);
    // The disk is not mounted: its process made a new, empty replica in the place.
    Replica::create(&parties.replicas[0].directory, MIB, OpenOptions::default()).unwrap();
    change_meta(&parties, 2, "\"Rebuilding\":false", "\"Rebuilding\":true");
    start_all(&mut parties);
    let mut engine = parties.attach_salvaging().await.unwrap();
    assert_eq!(content(&engine).await, [1, 0, 0], "the first to leave is all that is left");
    let cause = |name: &str| engine.status().replicas.into_iter().find(|found| found.name == name).unwrap().cause;
    assert!(cause("v-r-0").contains("new, empty"), "{}", cause("v-r-0"));
    assert!(cause("v-r-2").contains("rebuild was interrupted"), "{}", cause("v-r-2"));
    engine.crash();

    // Without that one there is nothing, however often it is asked for.
    parties.replicas[1].crash().await;
    let record = parties.keeper.record();
    for _ in 0..2 {
        let refused = reasons(parties.attach_salvaging().await);
        assert!(refused.contains("new, empty") && refused.contains("rebuild was interrupted"), "{refused}");
    }
    assert_eq!(parties.keeper.record().members, record.members);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_left_before_an_expansion_grows_to_the_size_of_today() {
    let mut parties = left_behind().await;
    lose_member(&parties);
    start_all(&mut parties);
    parties.size = 2 * MIB;
    let engine = parties.attach_salvaging().await.map_err(|error| error.to_string()).unwrap();
    assert_eq!(content(&engine).await, [1, 2, 0]);
    assert_eq!(engine.status().size_bytes, 2 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_longhorn_can_be_salvaged() {
    let mut parties = left_behind().await;
    lose_member(&parties);
    for replica in &parties.replicas[1..] {
        std::fs::remove_file(replica.directory.join("aurochs.state")).unwrap();
    }
    start_all(&mut parties);
    let engine = parties.attach_salvaging().await.unwrap();
    // No generation was told: both heads were written at the same time, and one holds more.
    assert_eq!(content(&engine).await, [1, 2, 0]);
    assert!(engine.status().salvage.contains("its head holds most"), "{}", engine.status().salvage);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_given_up_gets_nothing_from_those_that_were_salvaged() {
    let parties = Parties::new(MIB, 3).await;
    let old = parties.attach().await.unwrap();
    put(&old, 0, 1).await;
    remove(&old, "v-r-1").await;
    remove(&old, "v-r-2").await;
    // The new engine does not find the member, the old one still does.
    let epoch = parties.keeper.raise_epoch();
    let found = parties.replicas[1..].iter().map(|replica| (replica.name.clone(), replica.proxy.address.clone()));
    let options =
        StartOptions { volume: parties::VOLUME.into(), size: MIB, epoch, replicas: found.collect(), salvage: true };
    let salvaged = parties.attach_with(options).await.unwrap();
    let address = parties.replicas[2].proxy.address.clone();
    let refused = old.run(|volume| async move { volume.add_replica("v-r-2", address).await }).await.unwrap_err();
    assert!(refused.to_string().contains("epoch"), "{refused}");
    assert_eq!(content(&salvaged).await, [1, 0, 0]);
    assert_eq!(parties.keeper.record().members.len(), 1);
}
