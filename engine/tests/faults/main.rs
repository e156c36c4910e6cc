//! Faults at named points, with real replicas or scripted ones: what may be acknowledged, read and recorded then.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod dirty_regions;
#[path = "../parties/mod.rs"]
mod parties;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError, IoErrorKind};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::link::Address;
use aurochs_engine::link::control::RemoteErrorKind;
use aurochs_engine::link::frame::Kind;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::start::{StartError, StartOptions};
use parties::fake::{FakeReplica, Reply};
use parties::keeper::{Mood, TestKeeper};
use parties::{Parties, TestEngine, VOLUME};

const MIB: u64 = 1 << 20;
const BLOCK: usize = 4096;

async fn write(volume: Volume, offset: u64, byte: u8, length: usize) -> Result<(), IoError> {
    volume.write(offset, AlignedBuf::copy_of(&vec![byte; length]), Durability::Written).await
}

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: usize) {
    engine.run(|volume| write(volume, offset, byte, length)).await.unwrap();
}

async fn get(engine: &TestEngine, offset: u64, length: usize) -> Vec<u8> {
    engine.run(|volume| async move { volume.read(offset, length as u32).await }).await.unwrap().to_vec()
}

async fn snapshot(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await.unwrap();
}

async fn remove(engine: &TestEngine, name: &str) {
    let name = name.to_owned();
    engine.run(|volume| async move { volume.remove_replica(&name).await }).await.unwrap();
}

async fn close(engine: &TestEngine) {
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
}

/// A volume on scripted replicas alone.
async fn scripted(root: &std::path::Path, count: usize) -> (TestEngine, Vec<FakeReplica>, Parties) {
    let mut parties = Parties::new(MIB, 0).await;
    let fakes: Vec<_> = (0..count).map(|copy| FakeReplica::start(&root.join(format!("{copy}.sock")), MIB)).collect();
    parties.keeper = TestKeeper::new((0..count).map(|copy| format!("fake-{copy}")));
    let epoch = parties.keeper.raise_epoch();
    let addresses = fakes.iter().enumerate().map(|(copy, fake)| (format!("fake-{copy}"), fake.address.clone()));
    let options =
        StartOptions { volume: VOLUME.into(), size: MIB, epoch, replicas: addresses.collect(), salvage: false };
    let engine = parties.attach_with(options).await.map_err(|error| error.to_string()).unwrap();
    (engine, fakes, parties)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_only_a_dropped_member_has_is_not_acknowledged() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 2).await;
    let written = engine.spawn(|volume| write(volume, 0, 1, BLOCK));
    let on_second = fakes[1].next_of(Kind::Write).await;
    fakes[0].next_of(Kind::Write).await.answer(Reply::Done);
    // Reads go to the member with fewer requests in flight: once two of them in turn went to the first, its answer has
    // arrived.
    let mut on_first = 0;
    while on_first < 2 {
        let read = engine.spawn(|volume| async move { volume.read(8192, 4096).await });
        let (first, second) = fakes.split_at_mut(1);
        let asked = tokio::select! {
            asked = first[0].next_of(Kind::Read) => {
                on_first += 1;
                asked
            }
            asked = second[0].next_of(Kind::Read) => {
                on_first = 0;
                asked
            }
        };
        asked.answer(Reply::Done);
        read.await.unwrap().unwrap();
    }
    // The first has it, and is dropped for another reason before the second answers.
    remove(&engine, "fake-0").await;
    on_second.answer(Reply::Fails(RemoteErrorKind::NoSpace));
    let outcome = tokio::time::timeout(parties::PATIENCE, written).await.unwrap().unwrap();
    assert_eq!(outcome.unwrap_err().kind, IoErrorKind::NoSpace, "no member of the record has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_layers_that_one_member_lacks_is_not_told() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    snapshot(&engine, "below").await;
    snapshot(&engine, "above").await;
    let head_stands_on = |engine: &TestEngine| {
        let status = engine.status();
        status.snapshots.iter().find(|snapshot| snapshot.name == "volume-head").unwrap().parent.clone()
    };
    assert_eq!(head_stands_on(&engine), "above");
    parties.replicas[1].proxy.hold();
    let revert = engine.spawn(|volume| async move { volume.revert("below").await });
    let metadata = parties.replicas[0].directory.join("volume.meta");
    let reverted = async {
        while !std::fs::read_to_string(&metadata).unwrap().contains("\"Parent\":\"volume-snap-below.img\"") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(parties::PATIENCE, reverted).await.unwrap();
    // Questions go to the two in turn: one of these would go to the first.
    for _ in 0..2 {
        engine.run(|volume| async move { volume.look_at_layers().await }).await;
        assert_eq!(
            head_stands_on(&engine),
            "above",
            "the second replica has not done it, and may be the one that stays"
        );
    }
    parties.replicas[1].proxy.release();
    revert.await.unwrap().unwrap();
    assert_eq!(head_stands_on(&engine), "below", "both have done it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_that_got_what_no_member_has_is_dropped() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 1).await;
    let mut joiner = FakeReplica::start(&root.path().join("joiner.sock"), MIB);
    let address = joiner.address.clone();
    engine.run(|volume| async move { volume.add_replica("joiner", address).await }).await.unwrap();
    engine.wait_mode("joiner", ReplicaMode::Wo).await;
    let _copying = fakes[0].next_of(Kind::LayerRead).await;
    let written = engine.spawn(|volume| write(volume, 0, 1, BLOCK));
    joiner.next_of(Kind::Write).await.answer(Reply::Done);
    fakes[0].next_of(Kind::Write).await.answer(Reply::Fails(RemoteErrorKind::NoSpace));
    assert!(written.await.unwrap().is_err());
    engine.wait_mode("joiner", ReplicaMode::Err).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_failed_a_flush_is_dropped_though_the_client_went_away() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 2).await;
    let flushed = engine.spawn(|volume| async move { volume.flush().await });
    let on_first = fakes[0].next_of(Kind::Flush).await;
    fakes[1].next_of(Kind::Flush).await.answer(Reply::Fails(RemoteErrorKind::Failed));
    flushed.abort();
    let _ = flushed.await;
    on_first.answer(Reply::Done);
    // The kernel tells of a failed sync once; the next one would succeed.
    engine.wait_mode("fake-1", ReplicaMode::Err).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_no_member_has_is_made_equal_in_the_background() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 2).await;
    engine.wait("settled", |status| status.reconcile_regions_left == 0).await;
    let written = engine.spawn(|volume| write(volume, 0, 1, BLOCK));
    for fake in &mut fakes {
        fake.next_of(Kind::Write).await.answer(Reply::Fails(RemoteErrorKind::NoSpace));
    }
    assert_eq!(written.await.unwrap().unwrap_err().kind, IoErrorKind::NoSpace);
    engine.wait("regions equal", |status| status.reconcile_regions_left == 0).await;
    assert_eq!(engine.mode("fake-1"), Some(ReplicaMode::Rw), "a full disk costs no redundancy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_link_of_a_dropped_replica_holds_nobody_up() {
    let mut parties = Parties::new(64 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, BLOCK).await;
    parties.replicas[1].proxy.hold();
    // More than the link's queues and the sockets take.
    let writes: Vec<_> = (0..1000).map(|at| engine.spawn(move |volume| write(volume, at << 16, 7, 1 << 16))).collect();
    engine.wait("writes under way", |status| status.replicas.len() == 2).await;
    remove(&engine, &parties.replicas[1].name).await;
    for written in writes {
        tokio::time::timeout(parties::PATIENCE, written).await.expect("answered").unwrap().unwrap();
    }
    close(&engine).await;
    let member = [parties.replicas[0].name.clone()];
    assert!(parties.equal_content(&member).await[..1000 << 16].iter().all(|byte| *byte == 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dropped_link_still_carries_never_reaches_a_rebuilt_replica() {
    let mut parties = Parties::new(4 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, BLOCK).await;
    // The process of the second stands still: the write stays in its socket.
    parties.replicas[1].proxy.hold();
    let held: std::collections::BTreeSet<u64> = (1..=parties.replicas[1].proxy.opened()).collect();
    let stale = engine.spawn(|volume| write(volume, 0, 2, BLOCK));
    let late = parties.replicas[1].name.clone();
    remove(&engine, &late).await;
    stale.await.unwrap().unwrap();
    put(&engine, 0, 3, BLOCK).await;
    engine.rebuild(&parties.replicas[1]).await;
    // It goes on, and reads what the old link sent.
    parties.replicas[1].proxy.release();
    let mut drained = parties.replicas[1].proxy.drained.clone();
    tokio::time::timeout(parties::PATIENCE, drained.wait_for(|numbers| numbers.is_superset(&held)))
        .await
        .unwrap()
        .unwrap();
    for _ in 0..50 {
        assert_eq!(get(&engine, 0, BLOCK).await, [3; BLOCK]);
    }
    close(&engine).await;
    let both: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_eq!(parties.equal_content(&both).await[..BLOCK], [3; BLOCK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_stopped_under_load_is_dropped_and_nothing_else() {
    let mut parties = Parties::new(4 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
    let load: Vec<_> = (0..16_u64)
        .map(|at| {
            let sender = sender.clone();
            engine.spawn(move |volume| async move {
                for round in 0..200 {
                    write(volume.clone(), at << 12, round as u8, BLOCK).await?;
                    let _ = sender.send(());
                }
                Ok::<(), IoError>(())
            })
        })
        .collect();
    for _ in 0..100 {
        done.recv().await.unwrap();
    }
    parties.replicas[1].stop().await;
    for writes in load {
        writes.await.unwrap().expect("the other replica has everything");
    }
    assert_eq!(engine.mode(&parties.replicas[1].name), Some(ReplicaMode::Err));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_during_a_rebuild_is_on_the_rebuilt_replica_too() {
    let mut parties = Parties::new(64 * MIB, 1).await;
    let joiner = parties.another().await;
    let engine = parties.attach().await.unwrap();
    for at in 0..32 {
        put(&engine, at * MIB, at as u8 + 1, MIB as usize).await;
    }
    let (name, address) = (parties.replicas[joiner].name.clone(), parties.replicas[joiner].proxy.address.clone());
    engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap();
    engine.wait_mode(&parties.replicas[joiner].name, ReplicaMode::Wo).await;
    snapshot(&engine, "between").await;
    put(&engine, 0, 99, BLOCK).await;
    engine.wait("rebuild over", |status| status.rebuilds.iter().all(|rebuild| !rebuild.running)).await;
    assert_eq!(engine.status().rebuilds[0].error, "");
    close(&engine).await;
    let both: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    parties.equal_content(&both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_copies_each_layer_from_one_member() {
    let mut parties = Parties::new(4 * MIB, 2).await;
    let mut engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, MIB as usize).await;
    snapshot(&engine, "base").await;
    // One block reaches only the first; the engine dies. Making the members equal writes more to one than to the other.
    parties.replicas[1].proxy.hold();
    let torn = engine.spawn(|volume| write(volume, 8192, 2, BLOCK));
    parties.replicas[0].wait_content(8192, 2).await;
    engine.crash();
    let _ = torn.await;
    parties.replicas[1].proxy.cut();
    let engine = parties.attach().await.unwrap();
    engine.wait("regions equal", |status| status.reconcile_regions_left == 0).await;
    let expected = get(&engine, 0, MIB as usize).await;
    snapshot(&engine, "after").await;
    for _ in 0..4 {
        let joiner = parties.another().await;
        engine.rebuild(&parties.replicas[joiner]).await;
        // Nothing is written any more: it stays as it is.
        remove(&engine, &parties.replicas[joiner].name).await;
    }
    close(&engine).await;
    let all: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert!(parties.equal_content(&all).await[..MIB as usize] == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_new_is_no_member() {
    let mut parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 5, BLOCK).await;
    close(&engine).await;
    drop(engine);
    // The disk was not mounted: the process finds nothing in the directory, and makes a new replica.
    let lost = &mut parties.replicas[0];
    lost.crash().await;
    std::fs::remove_dir_all(&lost.directory).unwrap();
    Replica::create(&lost.directory, MIB, OpenOptions::default()).unwrap();
    lost.start();
    let name = lost.name.clone();
    for attempt in 0..2 {
        let engine = parties.attach().await.unwrap();
        for _ in 0..4 {
            assert_eq!(get(&engine, 0, BLOCK).await, [5; BLOCK], "attempt {attempt}");
        }
        assert!(!parties.keeper.record().members.contains(&name));
    }
    // Nor is it when it is the only one.
    parties.replicas[1].crash().await;
    let directory = parties.replicas[1].directory.clone();
    std::fs::remove_dir_all(&directory).unwrap();
    Replica::create(&directory, MIB, OpenOptions::default()).unwrap();
    parties.replicas[1].start();
    for _ in 0..2 {
        assert!(matches!(parties.attach().await, Err(StartError::NoReplica { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_the_member_that_did_not_reboot_is_right() {
    let mut parties = Parties::new(MIB, 2).await;
    let mut engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, BLOCK).await;
    snapshot(&engine, "base").await;
    put(&engine, 0, 2, BLOCK).await;
    engine.crash();
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    // The first one's host lost power: what was not flushed is gone there.
    let lost = parties.replicas[0].directory.clone();
    let head = Replica::open(&lost, OpenOptions::default()).unwrap().head_file();
    let image = std::fs::File::options().write(true).open(lost.join(head)).unwrap();
    image.set_len(0).unwrap();
    image.set_len(MIB).unwrap();
    image.sync_all().unwrap();
    let state = lost.join("aurochs.state");
    let text = std::fs::read_to_string(&state).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()));
    std::fs::write(&state, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    for replica in &mut parties.replicas {
        replica.start();
    }
    let engine = parties.attach().await.unwrap();
    assert_eq!(get(&engine, 0, BLOCK).await, [2; BLOCK], "an acknowledged write");
    close(&engine).await;
    let both: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_eq!(parties.equal_content(&both).await[..BLOCK], [2; BLOCK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_the_keeper_end_no_volume() {
    let mut parties = Parties::new(MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    parties.keeper.set_mood(Mood::LosesAnswers);
    parties.replicas[2].crash().await;
    engine.wait("first loss seen", |status| status.cause.contains("cannot record")).await;
    parties.replicas[1].crash().await;
    engine.wait_mode(&parties.replicas[1].name, ReplicaMode::Err).await;
    parties.keeper.set_mood(Mood::Answers);
    put(&engine, 0, 9, BLOCK).await;
    assert_eq!(parties.keeper.record().members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_wait_for_the_keeper_and_then_go_on() {
    let mut parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    parties.keeper.set_mood(Mood::Unreachable);
    parties.replicas[1].crash().await;
    engine.wait("waiting", |status| status.cause.contains("cannot record")).await;
    let mut written = engine.spawn(|volume| write(volume, 0, 4, BLOCK));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut written).await;
    assert!(early.is_err(), "acknowledged while the loss is not recorded");
    parties.keeper.set_mood(Mood::Answers);
    tokio::time::timeout(parties::PATIENCE, written).await.unwrap().unwrap().unwrap();
    let member = [parties.replicas[0].name.clone()];
    assert_eq!(parties.keeper.record().members, member.clone().into());
    // Its process comes back, with old data and the engine's epoch: it is asked for nothing.
    parties.replicas[1].start();
    drop(engine);
    let engine = parties.attach().await.unwrap();
    for _ in 0..4 {
        assert_eq!(get(&engine, 0, BLOCK).await, [4; BLOCK]);
    }
    assert_eq!(parties.keeper.record().members, member.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_rebuild_that_was_given_up_blocks_no_other() {
    let mut parties = Parties::new(MIB, 1).await;
    let joiner = parties.another().await;
    let engine = parties.attach().await.unwrap();
    // Accepts, and never answers.
    let silent = parties.root.path().join("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let given_up = engine.spawn(|volume| async move { volume.add_replica("silent", Address::Unix(silent)).await });
    engine.wait("begun", |status| status.rebuilds.iter().any(|rebuild| rebuild.running)).await;
    given_up.abort();
    let _ = given_up.await;
    engine.rebuild(&parties.replicas[joiner]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_falls_silent_during_the_start_is_left_out() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 6, BLOCK).await;
    drop(engine);
    // It says HELLO on both streams and nothing after that.
    let silent = parties.root.path().join("silent.sock");
    let listener = tokio::net::UnixListener::bind(&silent).unwrap();
    let _answering = tokio::spawn(async move {
        use aurochs_engine::link::control::{ControlReply, Welcome};
        use tokio::io::AsyncWriteExt;
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (header, _) = aurochs_engine::link::frame::read(&mut stream).await.unwrap().unwrap();
            let welcome = Welcome { size: MIB, ..Welcome::default() };
            let payload = serde_json::to_vec(&ControlReply::Welcome(welcome)).unwrap();
            let header = aurochs_engine::link::frame::Header { kind: Kind::Done, ..header };
            stream.write_all(&header.encode(&payload)).await.unwrap();
            stream.write_all(&payload).await.unwrap();
            streams.push(stream);
        }
    });
    let epoch = parties.keeper.raise_epoch();
    let addresses = [(0, parties.replicas[0].proxy.address.clone()), (1, Address::Unix(silent))];
    let replicas = addresses.into_iter().map(|(at, address)| (parties.replicas[at].name.clone(), address)).collect();
    let options = StartOptions { volume: VOLUME.into(), size: MIB, epoch, replicas, salvage: false };
    let started = tokio::time::timeout(parties::PATIENCE, parties.attach_with(options)).await;
    let engine = started.expect("the start ends").unwrap();
    assert_eq!(get(&engine, 0, BLOCK).await, [6; BLOCK]);
    assert_eq!(parties.keeper.record().members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stopped_itself_is_read_anew_by_the_next_link() {
    let parties = Parties::new(MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 7, BLOCK).await;
    // volume.meta can't be replaced: memory and files may differ from here on.
    let in_the_way = parties.replicas[0].directory.join("volume.meta.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    snapshot(&engine, "s").await;
    engine.wait_mode("v-r-0", ReplicaMode::Err).await;
    std::fs::remove_dir(&in_the_way).unwrap();
    engine.rebuild(&parties.replicas[0]).await;
    assert_eq!(get(&engine, 0, BLOCK).await, [7; BLOCK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_is_forgotten_when_all_members_are_equal_again() {
    let mut parties = Parties::new(MIB, 2).await;
    let mut engine = parties.attach().await.unwrap();
    put(&engine, 0, 7, BLOCK).await;
    engine.crash();
    parties.replicas[1].crash().await;
    let state = parties.replicas[1].directory.join("aurochs.state");
    let boot_id = || {
        let text = std::fs::read(&state).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["boot_id"].as_str().unwrap().to_owned()
    };
    let now = boot_id();
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, text.replace(&now, "another boot")).unwrap();
    parties.replicas[1].start();
    let engine = parties.attach().await.unwrap();
    engine.wait("all equal", |status| status.reconcile_regions_left == 0).await;
    engine.wait("the reboot forgotten", |_| boot_id() == now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_remember_the_generations_in_which_they_were_members() {
    let parties = Parties::new(MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    remove(&engine, "v-r-2").await;
    let last = parties.keeper.record().generation.0;
    let told = |at: usize| {
        let text = std::fs::read(parties.replicas[at].directory.join("aurochs.state")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["generation"].as_u64().unwrap()
    };
    engine.wait("the members told", |_| told(0) == last && told(1) == last).await;
    assert!(told(2) < last);
}

impl parties::Party {
    /// The head image.
    fn head(&self) -> std::path::PathBuf {
        let meta: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(self.directory.join("volume.meta")).unwrap()).unwrap();
        self.directory.join(meta["Head"].as_str().unwrap())
    }

    /// Waits until this byte is at this place of the head image.
    async fn wait_content(&self, offset: u64, byte: u8) {
        let head = self.head();
        let there = async {
            let mut found = [0];
            loop {
                std::fs::File::open(&head).unwrap().read_exact_at(&mut found, offset).unwrap();
                if found == [byte] {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(parties::PATIENCE, there).await.expect("the write arrives");
    }
}
