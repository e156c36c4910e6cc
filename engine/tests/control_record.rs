//! The control record and who waits for it: replicas that join while its keeper is out of reach, volumes that are detached
//! then, and what a replica remembers of having become a member.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError, IoErrorKind};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::link::frame::Kind;
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::start::StartOptions;
use parties::fake::{FakeReplica, Reply};
use parties::keeper::{Mood, TestKeeper};
use parties::{PATIENCE, Parties, TestEngine};

const MIB: u64 = 1 << 20;
const BLOCK: usize = 4096;

async fn write(volume: Volume, offset: u64, byte: u8) -> Result<(), IoError> {
    volume.write(offset, AlignedBuf::copy_of(&[byte; BLOCK]), Durability::Written).await
}

async fn put(engine: &TestEngine, offset: u64, byte: u8) {
    engine.run(|volume| write(volume, offset, byte)).await.unwrap();
}

async fn get(engine: &TestEngine, offset: u64) -> u8 {
    engine.run(|volume| async move { volume.read(offset, BLOCK as u32).await }).await.unwrap()[0]
}

fn names(parties: &Parties) -> Vec<String> {
    parties.replicas.iter().map(|replica| replica.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_record_of_a_replica_that_joins() {
    let mut parties = Parties::new(MIB, 1).await;
    let joiner = parties.another().await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1).await;
    parties.keeper.set_mood(Mood::Unreachable);
    let (name, address) = (parties.replicas[joiner].name.clone(), parties.replicas[joiner].proxy.address.clone());
    let asked = parties.keeper.next_change();
    let added = engine.run(|volume| async move { volume.add_replica(&name, address).await });
    let ((), added) = tokio::join!(asked, added);
    added.unwrap();
    // It waits for the keeper now.
    put(&engine, 0, 2).await;
    assert_eq!(get(&engine, 0).await, 2);
    let over = engine.wait("given up", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
    assert!(over.rebuilds[0].error.contains("cannot record that replica v-r-1 joins"), "{}", over.rebuilds[0].error);
    assert_eq!(over.cause, "");
    put(&engine, 0, 3).await;
    // A change whose answer got lost is found out, and the next attempt is none of a newer engine.
    parties.keeper.set_mood(Mood::LosesAnswers);
    parties.keeper.next_change().await;
    parties.keeper.set_mood(Mood::Answers);
    engine.rebuild(&parties.replicas[joiner]).await;
    put(&engine, BLOCK as u64, 4).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    assert!(parties.keeper.record().clean);
    let both = names(&parties);
    let content = parties.equal_content(&both).await;
    assert_eq!((content[0], content[BLOCK]), (3, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_called_off_while_it_is_recorded_leaves_no_trace() {
    let mut parties = Parties::new(MIB, 1).await;
    let joiner = parties.another().await;
    let engine = parties.attach().await.unwrap();
    parties.keeper.set_mood(Mood::LosesAnswers);
    let (name, address) = (parties.replicas[joiner].name.clone(), parties.replicas[joiner].proxy.address.clone());
    let asked = parties.keeper.next_change();
    let added = engine.run(|volume| async move { volume.add_replica(&name, address).await });
    let ((), added) = tokio::join!(asked, added);
    added.unwrap();
    assert!(parties.keeper.record().joining.contains(&parties.replicas[joiner].name));
    let name = parties.replicas[joiner].name.clone();
    engine.run(|volume| async move { volume.remove_replica(&name).await }).await.unwrap();
    engine.wait("called off", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
    parties.keeper.set_mood(Mood::Answers);
    engine.wait("forgotten", |_| parties.keeper.record().joining.is_empty()).await;
    assert_eq!(engine.mode(&parties.replicas[joiner].name), None);
    put(&engine, 0, 1).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    assert!(parties.keeper.record().clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_detached_although_nobody_can_record_who_failed() {
    let mut parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1).await;
    parties.keeper.set_mood(Mood::Unreachable);
    parties.replicas[1].crash().await;
    engine.wait("waiting", |status| status.cause.contains("cannot record")).await;
    let waiting = engine.spawn(|volume| write(volume, BLOCK as u64, 2));
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let refused = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.kind, IoErrorKind::Shutdown);
    assert!(refused.message.contains("not recorded"), "{refused}");
    drop(engine);
    // What is acknowledged is on its disk.
    let meta = std::fs::read_to_string(parties.replicas[0].directory.join("volume.meta")).unwrap();
    assert!(meta.contains(r#""Dirty":false"#), "{meta}");

    parties.keeper.set_mood(Mood::Answers);
    assert!(!parties.keeper.record().clean);
    assert_eq!(parties.keeper.record().members.len(), 2, "the loss was never recorded, so nothing was acknowledged");
    parties.replicas[1].start();
    let engine = parties.attach().await.unwrap();
    assert_eq!(get(&engine, 0).await, 1);
    let torn = get(&engine, BLOCK as u64).await;
    assert!(torn == 0 || torn == 2, "{torn}");
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let both = names(&parties);
    assert_eq!(parties.equal_content(&both).await[BLOCK], torn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_detached_although_nobody_can_record_that_it_is_clean() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1).await;
    parties.keeper.set_mood(Mood::Unreachable);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);
    parties.keeper.set_mood(Mood::Answers);
    let record = parties.keeper.record();
    assert!(!record.clean && record.members.len() == 2);
    let engine = parties.attach().await.unwrap();
    assert_eq!(get(&engine, 0).await, 1);
    // One that loses answers for a moment is asked again.
    parties.keeper.set_mood(Mood::LosesAnswers);
    let (asked, closed) = (parties.keeper.next_change(), engine.run(|volume| async move { volume.close().await }));
    let keeper = parties.keeper.clone();
    let ((), closed) = tokio::join!(
        async {
            asked.await;
            keeper.set_mood(Mood::Answers);
        },
        closed
    );
    closed.unwrap();
    assert!(parties.keeper.record().clean);
}

/// A volume on one scripted replica, and another one whose rebuild has just been finished, but for its last write.
/// It remembers so many generations.
async fn almost_rebuilt(parties: &Parties, root: &std::path::Path, remembers: u64) -> (TestEngine, [FakeReplica; 2]) {
    let mut source = FakeReplica::start(&root.join("source.sock"), MIB);
    let mut joiner = FakeReplica::start(&root.join("joiner.sock"), MIB);
    let replicas = [("source".to_owned(), source.address.clone())].into();
    let options = StartOptions { replicas, ..parties.raise_epoch() };
    let engine = parties.attach_with(options).await.map_err(|error| error.to_string()).unwrap();
    let address = joiner.address.clone();
    engine.run(|volume| async move { volume.add_replica("joiner", address).await }).await.unwrap();
    source.next_of(Kind::LayerRead).await.answer(Reply::Done);
    let copied = joiner.next_of(Kind::LayerWrite).await;
    let generation = parties.keeper.record().generation.0;
    assert!(joiner.generations.told().is_empty(), "nothing is told to one that lacks data");
    joiner.generations.forget_from(generation + remembers);
    copied.answer(Reply::Done);
    (engine, [source, joiner])
}

async fn of_one_scripted() -> (Parties, tempfile::TempDir) {
    let mut parties = Parties::new(MIB, 0).await;
    parties.keeper = TestKeeper::new(["source".to_owned()].into_iter());
    (parties, tempfile::tempdir_in("/var/tmp").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_replica_remembers_before_the_record_that_it_has_everything_and_after_it_that_it_is_a_member() {
    let (parties, root) = of_one_scripted().await;
    let (engine, fakes) = almost_rebuilt(&parties, root.path(), 100).await;
    engine.wait_mode("joiner", ReplicaMode::Rw).await;
    let last = parties.keeper.record().generation.0;
    assert!(fakes[1].generations.told().starts_with(&[last - 1, last]), "{:?}", fakes[1].generations.told());
}

/// Whoever left the volume earlier would look like the better choice once both are lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_remember_that_it_became_a_member_does_not_stay_one() {
    let (parties, root) = of_one_scripted().await;
    let (engine, _fakes) = almost_rebuilt(&parties, root.path(), 1).await;
    engine.wait_mode("joiner", ReplicaMode::Err).await;
    engine.wait("over", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
    engine.wait("taken out", |_| parties.keeper.record().members == ["source".to_owned()].into()).await;
}

/// The last member is never dropped for being slow; whoever asked for the end does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_whose_only_replica_answers_no_more_ends_all_the_same() {
    let (parties, root) = of_one_scripted().await;
    let mut source = FakeReplica::start(&root.path().join("source.sock"), MIB);
    let replicas = [("source".to_owned(), source.address.clone())].into();
    let options = StartOptions { replicas, ..parties.raise_epoch() };
    let engine = parties.attach_with(options).await.map_err(|error| error.to_string()).unwrap();
    let waiting = engine.spawn(|volume| write(volume, 0, 1));
    let _never_answered = source.next_of(Kind::Write).await;
    let patience = std::time::Duration::from_millis(100);
    let error = engine.run(move |volume| async move { volume.close_within(patience).await }).await.unwrap_err();
    assert_eq!(error.kind, IoErrorKind::Io);
    assert!(error.message.contains("did not close"), "{error}");
    assert!(!parties.keeper.record().clean);
    let after = engine.run(|volume| write(volume, MIB - BLOCK as u64, 2)).await.unwrap_err();
    assert_eq!(after.kind, IoErrorKind::Shutdown, "{after}");
    waiting.abort();
}
