//! Snapshots hashed on all members of a volume.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{HashPhase, ReplicaMode, SnapshotHashState};
use aurochs_engine::link::Address;
use aurochs_engine::link::frame::Kind;
use aurochs_engine::link::server::{ReplicaServer, ServeOptions};
use aurochs_engine::replica::hash::NodeLock;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::barrier::OperationError;
use aurochs_engine::volume::start::StartOptions;
use parties::fake::FakeReplica;
use parties::keeper::TestKeeper;
use parties::{Parties, TestEngine, VOLUME};

const MIB: u64 = 1 << 20;

async fn with_snapshot(copies: usize) -> (Parties, TestEngine) {
    let parties = Parties::without_checksums(MIB, copies).await;
    let engine = parties.attach().await.unwrap();
    let data = AlignedBuf::copy_of(&[5; 64 << 10]);
    engine.run(|volume| async move { volume.write(4096, data, Durability::Written).await }).await.unwrap();
    engine.run(|volume| async move { volume.snapshot("s", BTreeMap::new(), true).await }).await.unwrap();
    (parties, engine)
}

/// Hashes and waits until all members are done.
async fn hash(engine: &TestEngine, rehash: bool) -> SnapshotHashState {
    engine.run(move |volume| async move { volume.hash_snapshot("s", rehash).await }).await.unwrap();
    let status = engine.wait("hashed", |status| status.hash.as_ref().is_some_and(|hash| !hash.running)).await;
    status.hash.unwrap()
}

fn sums(state: &SnapshotHashState) -> Vec<&str> {
    state.replicas.iter().map(|hash| hash.checksum.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_hashes_its_files_and_a_difference_is_shown() {
    let (parties, engine) = with_snapshot(3).await;
    let before = engine.run(|volume| async move { volume.snapshot_hash("s").await }).await.unwrap();
    assert!(before.replicas.iter().all(|hash| hash.phase() == HashPhase::NotHashed), "{before:?}");
    let first = hash(&engine, false).await;
    assert!(first.replicas.iter().all(|hash| hash.phase() == HashPhase::Hashed), "{first:?}");
    assert_eq!(first.replicas.len(), 3);
    assert_eq!(sums(&first), [sums(&first)[0]; 3]);
    assert_eq!(first.note, "");
    assert_eq!(engine.run(|volume| async move { volume.snapshot_hash("s").await }).await.unwrap(), first);
    let again = hash(&engine, false).await;
    assert_eq!(again, first, "valid checksums are not made again");

    let image = parties.replicas[1].directory.join("volume-snap-s.img");
    File::options().write(true).open(image).unwrap().write_all_at(&[6], 4096).unwrap();
    let changed = hash(&engine, false).await;
    let differing: Vec<_> = changed.replicas.iter().filter(|hash| hash.differs).map(|hash| &hash.replica).collect();
    assert_eq!(differing, ["v-r-1"]);
    assert!(changed.note.contains("v-r-1 has") && changed.note.contains("no corruption"), "{}", changed.note);
    assert!(parties.replicas.iter().all(|replica| engine.mode(&replica.name) == Some(ReplicaMode::Rw)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_snapshot_is_refused_and_claims_nothing() {
    let (_parties, engine) = with_snapshot(2).await;
    let refused = engine.run(|volume| async move { volume.hash_snapshot("x", false).await }).await.unwrap_err();
    assert!(matches!(&refused, OperationError::Refused(why) if why.contains("\"x\"")), "{refused:?}");
    let refused = engine.run(|volume| async move { volume.snapshot_hash("x").await }).await.unwrap_err();
    assert!(matches!(&refused, OperationError::Refused(why) if why.contains("\"x\"")), "{refused:?}");
    assert_eq!(hash(&engine, false).await.replicas.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_while_a_replica_joins() {
    let (parties, engine) = with_snapshot(1).await;
    let mut joiner = FakeReplica::start(&parties.root.path().join("joiner.sock"), MIB);
    let address = joiner.address.clone();
    engine.run(|volume| async move { volume.add_replica("joiner", address).await }).await.unwrap();
    let _copying = joiner.next_of(Kind::LayerWrite).await;
    let refused = engine.run(|volume| async move { volume.hash_snapshot("s", false).await }).await.unwrap_err();
    assert!(matches!(&refused, OperationError::Refused(why) if why.contains("being rebuilt")), "{refused:?}");
}

/// A volume on one replica whose node hashes something else, until the returned file is dropped.
async fn behind_another_hash(root: &std::path::Path) -> (Volume, File) {
    let lock = root.join("lock");
    let elsewhere = File::create(&lock).unwrap();
    elsewhere.lock().unwrap();
    let directory = root.join("r");
    Replica::create(&directory, MIB, OpenOptions::default()).unwrap();
    let served = ServeOptions { hash_lock: Some(NodeLock::at(&lock)), ..ServeOptions::default() };
    let server = ReplicaServer::with_options(VOLUME, "r", directory, served);
    let address = Address::Unix(root.join("r.sock"));
    tokio::spawn(server.serve(address.listen().await.unwrap()));
    let keeper = TestKeeper::new(["r".to_owned()].into_iter());
    let options = StartOptions {
        volume: VOLUME.into(),
        size: MIB,
        epoch: keeper.raise_epoch(),
        replicas: [("r".to_owned(), address)].into(),
        salvage: false,
    };
    let volume = Volume::start(options, Arc::new(keeper)).await.unwrap();
    for name in ["s", "t"] {
        volume.snapshot(name, BTreeMap::new(), true).await.unwrap();
    }
    (volume, elsewhere)
}

async fn wait(volume: &Volume, wanted: impl Fn(&SnapshotHashState) -> bool) -> SnapshotHashState {
    let waiting = async {
        loop {
            if let Some(hash) = volume.status().hash.filter(|hash| wanted(hash)) {
                return hash;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(parties::PATIENCE, waiting).await.expect("the hash comes there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_hash_is_seen_and_ends_on_request_or_with_its_snapshot() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (volume, elsewhere) = behind_another_hash(root.path()).await;
    volume.hash_snapshot("s", false).await.unwrap();
    let waiting = wait(&volume, |hash| !hash.replicas.is_empty()).await;
    assert_eq!(waiting.replicas[0].phase(), HashPhase::HashWaiting);
    assert_eq!(volume.hash_locks().await, [("r".to_owned(), true)].into());
    let busy = volume.hash_snapshot("t", false).await.unwrap_err();
    assert!(matches!(&busy, OperationError::Refused(why) if why.contains("snapshot s is being hashed")), "{busy:?}");
    volume.cancel_snapshot_hash("s").await.unwrap();
    let cancelled = wait(&volume, |hash| !hash.running).await;
    assert!(cancelled.replicas[0].error.contains("on request"), "{cancelled:?}");

    volume.hash_snapshot("s", false).await.unwrap();
    volume.remove_snapshot("s").await.unwrap();
    let removed = wait(&volume, |hash| !hash.running).await;
    assert_eq!(removed.replicas[0].phase(), HashPhase::HashFailed);
    assert!(removed.replicas[0].error.contains("removed"), "{removed:?}");

    volume.hash_snapshot("t", false).await.unwrap();
    drop(elsewhere);
    let done = wait(&volume, |hash| !hash.running && hash.snapshot == "t").await;
    assert_eq!(done.replicas[0].phase(), HashPhase::Hashed);
    assert_eq!(volume.hash_locks().await, [("r".to_owned(), false)].into());
    volume.close().await.unwrap();
}
