//! Snapshots read from live volumes, empty volumes filled, and clones from one engine to another: under writes, with
//! replicas, streams and engines that fail in the middle.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod node;
mod parties;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{CloneState, ReplicaMode, SnapshotCloneRequest, SnapshotCreateRequest};
use aurochs_engine::replica::{OpenOptions, Replica, SnapshotSelection};
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::barrier::OperationError;
use aurochs_engine::volume::clone::CloneRequest;
use aurochs_engine::volume::purge::IfPurging;
use parties::face::Face;
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const BLOCK: usize = 4096;
const SIZE: u64 = 24 * MIB;

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: u64) {
    let data = AlignedBuf::copy_of(&vec![byte; length as usize]);
    engine.run(|volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

async fn snapshot(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await.unwrap();
}

async fn remove(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.remove_snapshot(name).await }).await.unwrap();
}

/// Data in 0..4 and 5..14 MiB, zeros written over it in 8..9, holes, data in the last MiB; the snapshot's content.
async fn story(engine: &TestEngine, name: &'static str) -> Vec<u8> {
    let mut content = vec![0; SIZE as usize];
    for (at, length, byte) in [(0, 4, 1), (5, 9, 2), (23, 1, 3)] {
        put(engine, at * MIB, byte, length * MIB).await;
        content[(at * MIB) as usize..((at + length) * MIB) as usize].fill(byte);
    }
    snapshot(engine, "before").await;
    engine
        .run(|volume| async move { volume.write_zeroes(8 * MIB, MIB, false, Durability::Written).await })
        .await
        .unwrap();
    content[(8 * MIB) as usize..(9 * MIB) as usize].fill(0);
    snapshot(engine, name).await;
    content
}

/// Writes all over the volume and takes and removes snapshots until it is told to end.
fn disturb(engine: &TestEngine) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&end);
    let task = engine.spawn(|volume| async move {
        for step in 0_u64.. {
            if told.load(Ordering::Relaxed) {
                return;
            }
            let data = AlignedBuf::copy_of(&vec![200 + (step % 50) as u8; 3 * BLOCK]);
            volume.write(step * 700_001 % (SIZE - MIB), data, Durability::Written).await.unwrap();
            if step % 40 == 20 {
                let name = format!("other-{step}");
                volume.snapshot(&name, BTreeMap::new(), true).await.unwrap();
                volume.remove_snapshot(&name).await.unwrap();
            }
        }
    });
    (end, task)
}

/// Reads the rest of a snapshot; calls `after` with the number of each piece and the member that it came from.
async fn read_all(
    volume: &Volume,
    selection: SnapshotSelection,
    mut after: impl FnMut(u32, &str),
) -> Result<Vec<u8>, OperationError> {
    let mut pass = volume.snapshot_pass(selection, 0);
    let (mut content, mut count) = (vec![0; SIZE as usize], 0);
    while let Some(piece) = pass.next().await? {
        content[piece.offset as usize..piece.offset as usize + piece.data.len()].copy_from_slice(&piece.data);
        count += 1;
        after(count, pass.source().unwrap());
    }
    Ok(content)
}

fn all_of(name: &str) -> SnapshotSelection {
    SnapshotSelection::all_of(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_reads_the_same_under_writes_and_changes() {
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    let expected = story(&engine, "s").await;
    let (end, disturbing) = disturb(&engine);
    for _ in 0..4 {
        let content = engine.run(|volume| async move { read_all(&volume, all_of("s"), |_, _| {}).await }).await;
        assert!(content.unwrap() == expected);
    }
    end.store(true, Ordering::Relaxed);
    disturbing.await.unwrap();
    let changed = SnapshotSelection { changed_since: Some("before".into()), ..all_of("s") };
    let extents = engine.run(|volume| async move { volume.snapshot_extents(&changed, 0, 9).await }).await.unwrap();
    assert_eq!(extents, [(8 * MIB, MIB)]);
    let unaligned = engine.run(|volume| async move { volume.read_snapshot("s", 4 * MIB - 2, 4).await }).await;
    assert_eq!(unaligned.unwrap()[..], [1, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_member_takes_over_when_the_source_is_lost() {
    let parties = Parties::new(SIZE, 3).await;
    let engine = parties.attach().await.unwrap();
    let expected = story(&engine, "s").await;
    let mut pass = engine.run(|volume| async move { volume.snapshot_pass(all_of("s"), 0) }).await;
    let (mut content, mut sources) = (vec![0; SIZE as usize], Vec::new());
    let mut count = 0;
    loop {
        let (next, back) = engine.run(|_| async move { (pass.next().await, pass) }).await;
        pass = back;
        let Some(piece) = next.unwrap() else { break };
        content[piece.offset as usize..piece.offset as usize + piece.data.len()].copy_from_slice(&piece.data);
        let source = pass.source().unwrap().to_owned();
        if !sources.contains(&source) {
            sources.push(source.clone());
        }
        count += 1;
        // In the middle of the first extent, and of the second one.
        if count == 2 || count == 7 {
            parties.replicas.iter().find(|replica| replica.name == source).unwrap().proxy.cut();
            engine.wait_mode(&source, ReplicaMode::Err).await;
        }
    }
    assert_eq!(sources.len(), 3, "every member was the source for a while: {sources:?}");
    assert!(content == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_ends_with_its_snapshot() {
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    story(&engine, "base").await;
    put(&engine, 0, 7, MIB).await;
    // Leaves of another branch, so that their files go at once and their names are free.
    for again in [false, true] {
        snapshot(&engine, "leaf").await;
        let mut pass = engine.run(|volume| async move { volume.snapshot_pass(all_of("leaf"), 0) }).await;
        pass.next().await.unwrap().unwrap();
        engine.run(|volume| async move { volume.revert("base").await }).await.unwrap();
        remove(&engine, "leaf").await;
        if again {
            put(&engine, 0, 9, SIZE).await;
            snapshot(&engine, "leaf").await;
        }
        let ended = loop {
            match pass.next().await {
                Ok(Some(piece)) => assert!(!piece.data.contains(&9), "of the snapshot that came later"),
                Ok(None) => panic!("a pass through a removed snapshot came to its end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(&ended, OperationError::Refused(_)), "{ended}");
    }
    let gone = engine.run(|volume| async move { volume.read_snapshot("none", 0, 1).await }).await.unwrap_err();
    assert!(gone.to_string().contains("no snapshot"), "{gone}");
}

/// Every file of a replica's directory but our own, with the text of the small ones.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let text = |name: &String| match name.ends_with("meta") {
        true => std::fs::read_to_string(directory.join(name)).unwrap(),
        false => String::new(),
    };
    entries.filter(|name| !name.starts_with("aurochs.")).map(|name| (name.clone(), text(&name))).collect()
}

/// The directory is in the form that Longhorn's clone leaves: root snapshot `name`, an empty head on it.
fn assert_longhorns_form(directory: &Path, name: &str) {
    let files = files(directory);
    let (head, snap) = ("volume-head-001.img", format!("volume-snap-{name}.img"));
    let names: Vec<_> = files.keys().cloned().collect();
    assert_eq!(names, [head, "volume-head-001.img.meta", &snap, &format!("{snap}.meta"), "volume.meta"]);
    assert_eq!(files[&format!("{snap}.meta")], "{\"Parent\":\"\"}\n");
    let start =
        format!("{{\"Name\":\"{head}\",\"Parent\":\"{snap}\",\"Removed\":false,\"UserCreated\":false,\"Created\":\"20");
    let meta = &files["volume-head-001.img.meta"];
    assert!(meta.starts_with(&start) && meta.ends_with("Z\",\"Labels\":null}\n"), "{meta}");
    let volume = &files["volume.meta"];
    assert!(volume.contains(&format!("\"Head\":\"{head}\"")) && volume.contains(&format!("\"Parent\":\"{snap}\"")));
}

/// The directory holds an empty volume and no trace of a fill.
fn assert_empty(directory: &Path) {
    let names: Vec<_> = files(directory).into_keys().collect();
    assert_eq!(names, ["volume-head-000.img", "volume-head-000.img.meta", "volume.meta"], "{}", directory.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_lost_in_the_middle_of_a_fill_is_dropped() {
    let mut parties = Parties::new(SIZE, 3).await;
    let another = parties.another().await;
    let engine = parties.attach().await.unwrap();
    let fill = engine.run(|volume| async move { volume.fill("s").await }).await.unwrap();
    let fill = Arc::new(fill);
    let write = async |offset: u64, byte: u8| {
        let (fill, data) = (Arc::clone(&fill), vec![byte; MIB as usize]);
        engine.run(|_| async move { fill.write(offset, &data).await }).await.unwrap();
    };
    write(0, 1).await;
    let (name, address) = (parties.replicas[another].name.clone(), parties.replicas[another].proxy.address.clone());
    let refusals = [
        engine.run(|volume| async move { volume.add_replica(&name, address).await }).await.unwrap_err(),
        engine.run(|volume| async move { volume.snapshot("x", BTreeMap::new(), true).await }).await.unwrap_err(),
        engine.run(|volume| async move { volume.fill("x").await.map(drop) }).await.unwrap_err(),
    ];
    let others = [
        engine.run(|volume| async move { volume.purge(IfPurging::Skip).await }).await.unwrap_err(),
        engine
            .run(|volume| async move { volume.expand(2 * SIZE, std::future::ready(Ok(()))).await })
            .await
            .unwrap_err(),
        engine.run(|volume| async move { volume.revert("s").await }).await.unwrap_err(),
    ];
    for refusal in others {
        let says = |text: &str| text.contains("of volume v cannot begin while a restore is running; try again");
        assert!(matches!(&refusal, OperationError::Refused(text) if says(text)), "{refusal}");
    }
    for refusal in refusals {
        assert!(matches!(&refusal, OperationError::Refused(text) if text.contains("is being filled")), "{refusal}");
    }
    parties.replicas[1].crash().await;
    write(5 * MIB, 2).await;
    assert_eq!(engine.mode(&parties.replicas[1].name), Some(ReplicaMode::Err));
    let fill = Arc::into_inner(fill).unwrap();
    engine.run(|_| fill.finish()).await.unwrap();
    assert_eq!(parties.keeper.record().members.len(), 2);
    let read = engine.run(|volume| async move { volume.read(5 * MIB, 4096).await }).await.unwrap();
    assert_eq!(read[..], [2; BLOCK]);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    for member in [0, 2] {
        assert_longhorns_form(&parties.replicas[member].directory, "s");
    }
    let members = parties.keeper.record().members.into_iter().collect::<Vec<_>>();
    let content = parties.equal_content(&members).await;
    assert!(content[..MIB as usize].iter().all(|byte| *byte == 1) && content[MIB as usize] == 0);
    // The one that was lost forgets what it had.
    Replica::open(&parties.replicas[1].directory, OpenOptions::default()).unwrap().close().unwrap();
    assert_empty(&parties.replicas[1].directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_crashes_in_the_middle_of_a_fill_leaves_the_volume_empty() {
    let mut parties = Parties::new(SIZE, 2).await;
    let mut engine = parties.attach().await.unwrap();
    let fill = engine.run(|volume| async move { volume.fill("s").await }).await.unwrap();
    let fill = engine
        .run(|_| async move {
            fill.write(0, &vec![1; MIB as usize]).await.unwrap();
            fill
        })
        .await;
    engine.crash();
    drop(fill);
    // One replica's process goes on, the other one's has ended too.
    parties.replicas[0].crash().await;
    parties.replicas[0].start();
    let engine = parties.attach().await.unwrap();
    assert_eq!(engine.status().replicas.iter().filter(|replica| replica.mode() == ReplicaMode::Rw).count(), 2);
    for replica in &parties.replicas {
        assert_empty(&replica.directory);
    }
    let read = engine.run(|volume| async move { volume.read(0, 4096).await }).await.unwrap();
    assert_eq!(read[..], [0; BLOCK]);
    let fill = engine.run(|volume| async move { volume.fill("s").await }).await.unwrap();
    engine.run(|_| fill.finish()).await.unwrap();
}

/// The members went down when one of them had gone over to the data and the other had not.
#[tokio::test(flavor = "multi_thread")]
async fn a_fill_that_only_one_member_finished_is_not_completed_from_an_empty_head() {
    let mut parties = Parties::new(SIZE, 2).await;
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    let ahead = Replica::open(&parties.replicas[1].directory, OpenOptions::default()).unwrap();
    ahead.fill_begin("f", "s", SIZE).unwrap();
    ahead.fill_write("f", 0, &AlignedBuf::copy_of(&vec![7; MIB as usize])).unwrap();
    ahead.fill_finish("f", "2026-11-21T02:06:49Z").unwrap();
    drop(ahead);
    parties.replicas.iter_mut().for_each(parties::Party::start);
    let engine = parties.attach().await.unwrap();
    let modes = parties.replicas.iter().map(|replica| engine.mode(&replica.name)).collect::<Vec<_>>();
    assert_eq!(modes, [Some(ReplicaMode::Err), Some(ReplicaMode::Rw)]);
    let read = engine.run(|volume| async move { volume.read(0, 4096).await }).await.unwrap();
    assert_eq!(read[..], [7; BLOCK]);
    engine.rebuild(&parties.replicas[0]).await;
    let members = parties.keeper.record().members.into_iter().collect::<Vec<_>>();
    assert_eq!(members.len(), 2);
    assert_eq!(parties.equal_content(&members).await[0], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_with_data_or_snapshots_is_not_filled() {
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, MIB).await;
    let fill = || engine.run(|volume| async move { volume.fill("s").await.map(drop) });
    let data = fill().await.unwrap_err();
    assert!(matches!(&data, OperationError::Refused(text) if text.contains("holds 1048576 bytes")), "{data}");
    engine.run(|volume| async move { volume.discard(0, SIZE).await }).await.unwrap();
    snapshot(&engine, "mine").await;
    let snapshots = fill().await.unwrap_err();
    assert!(matches!(&snapshots, OperationError::Refused(text) if text.contains("1 snapshots")), "{snapshots}");
    let modes = parties.replicas.iter().map(|replica| engine.mode(&replica.name)).collect::<Vec<_>>();
    assert_eq!(modes, [Some(ReplicaMode::Rw); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_goes_on_after_broken_streams() {
    let source_parties = Parties::new(SIZE, 2).await;
    let source = source_parties.attach().await.unwrap();
    let expected = story(&source, "s").await;
    let (end, disturbing) = disturb(&source);
    let face = Face::of(&source, source_parties.root.path()).await;
    let mut parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    engine.begin_clone(face.request()).await;
    for part in [2, 6] {
        engine.wait_copied(part * MIB).await;
        face.proxy.cut();
    }
    let clone = engine.clone_over().await;
    end.store(true, Ordering::Relaxed);
    disturbing.await.unwrap();
    assert_eq!((clone.state(), clone.error.as_str()), (CloneState::Complete, ""));
    assert!(clone.attempts_failed >= 1, "{clone:?}");
    assert_eq!((clone.done_bytes, clone.planned_bytes), (14 * MIB, 14 * MIB));
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    for replica in &parties.replicas {
        assert_longhorns_form(&replica.directory, "s");
    }
    let members = parties.keeper.record().members.into_iter().collect::<Vec<_>>();
    assert_eq!(members.len(), 2);
    assert!(parties.equal_content(&members).await == expected);
    for replica in &parties.replicas {
        let open = Replica::open(&replica.directory, OpenOptions::default()).unwrap();
        let extents = open.layer_extents("volume-snap-s.img", 0, 9).unwrap();
        assert_eq!(extents, [(0, 4 * MIB), (5 * MIB, 9 * MIB), (23 * MIB, MIB)], "zeros written stay, holes too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_clone_leaves_the_volume_empty() {
    let source_parties = Parties::new(SIZE, 1).await;
    let source = source_parties.attach().await.unwrap();
    let expected = story(&source, "s").await;
    let face = Face::of(&source, source_parties.root.path()).await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    engine.begin_clone(face.request()).await;
    engine.wait_copied(MIB).await;
    face.proxy.hold();
    engine.run(|volume| async move { volume.cancel_clone().await }).await;
    let clone = engine.status().clone.unwrap();
    assert_eq!((clone.state(), clone.error.as_str()), (CloneState::Failed, "it was cancelled"));
    for replica in &parties.replicas {
        assert_empty(&replica.directory);
    }
    face.proxy.release();
    // It may be tried again at once, and a close in the middle of that is clean.
    engine.begin_clone(face.request()).await;
    assert_eq!(engine.clone_over().await.state(), CloneState::Complete);
    let read = engine.run(|volume| async move { read_all(&volume, all_of("s"), |_, _| {}).await }).await;
    assert!(read.unwrap() == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_cannot_be_right_is_refused() {
    let source_parties = Parties::new(SIZE, 1).await;
    let source = source_parties.attach().await.unwrap();
    story(&source, "s").await;
    let face = Face::of(&source, source_parties.root.path()).await;
    let small = Parties::new(SIZE / 2, 1).await;
    let engine = small.attach().await.unwrap();
    engine.begin_clone(face.request()).await;
    let clone = engine.clone_over().await;
    assert!(clone.error.contains("at least the same size"), "{}", clone.error);
    let parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    let requests = [
        (CloneRequest { snapshot: "none".into(), ..face.request() }, "no snapshot \"none\""),
        (CloneRequest { volume: "another".into(), ..face.request() }, "the engine of volume v, not of another"),
    ];
    for (request, reason) in requests {
        engine.begin_clone(request).await;
        let clone = engine.clone_over().await;
        assert!(clone.state() == CloneState::Failed && clone.error.contains(reason), "{}", clone.error);
        assert_empty(&parties.replicas[0].directory);
    }
    // A larger volume gets zeros behind the snapshot's end.
    let mut large = Parties::new(SIZE + MIB, 1).await;
    let engine = large.attach().await.unwrap();
    engine.begin_clone(CloneRequest { new_snapshot: "mine".into(), ..face.request() }).await;
    assert_eq!(engine.clone_over().await.error, "");
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    assert_longhorns_form(&large.replicas[0].directory, "mine");
    let members = [large.replicas[0].name.clone()];
    let content = large.equal_content(&members).await;
    assert_eq!((content[(SIZE - 1) as usize], content[SIZE as usize]), (3, 0));
}

/// Two volumes on real processes, the source in use.
#[tokio::test(flavor = "multi_thread")]
async fn one_engine_clones_from_another() {
    let node = node::Node::start().await;
    let source = node.create("source", SIZE, 2).await;
    let engine = node.attach(&source, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    let before = ["write -P 1 0 4M", "write -P 2 5M 9M", "write -z 8M 1M", "write -P 3 23M 1M", "flush"];
    node::run("qemu-io", &[&["-f", "raw"], &before.map(|command| ["-c", command]).concat()[..], &[&uri]].concat())
        .await;
    let request = SnapshotCreateRequest { name: "s".into(), user_created: true, ..Default::default() };
    engine.client.clone().snapshot_create(request).await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&end);
    let writing = tokio::spawn(async move {
        let mut rounds = 0;
        while !told.load(Ordering::Relaxed) {
            node::run("qemu-io", &["-f", "raw", "-c", "write -P 9 0 12M", "-c", "write -P 8 3M 21M", &uri]).await;
            rounds += 1;
        }
        rounds
    });

    let target = node.create("target", SIZE, 2).await;
    let in_use = node.attach(&target, "nbd").await;
    let source_address = node.instance(&engine.name).await.unwrap().address;
    let request = SnapshotCloneRequest {
        source_address,
        source_volume: "source".into(),
        source_snapshot: "s".into(),
        ..Default::default()
    };
    let refused = in_use.client.clone().snapshot_clone(request.clone()).await.unwrap_err();
    assert!(refused.message().contains("maintenance"), "{refused}");
    node.stop(&in_use.name).await;
    let into = node.attach(&target, "").await;
    into.client.clone().snapshot_clone(request).await.unwrap();
    let cloned = into
        .wait("cloned", |status| status.clone.as_ref().is_some_and(|clone| clone.state() != CloneState::InProgress))
        .await
        .clone
        .unwrap();
    assert_eq!((cloned.state(), cloned.error.as_str()), (CloneState::Complete, ""));
    assert_eq!((cloned.done_bytes, cloned.planned_bytes), (14 * MIB, 14 * MIB));
    end.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0, "the source took writes");
    node.stop(&into.name).await;
    node.stop(&engine.name).await;

    let content = node.equal_content(&target.replicas).await;
    for replica in &target.replicas {
        assert_longhorns_form(&node.directory(replica), "s");
    }
    node.equal_content(&source.replicas).await;
    for replica in &source.replicas {
        let open = Replica::open(&node.directory(replica), OpenOptions::default()).unwrap();
        let wanted = open.read_layer_chain("volume-snap-s.img", 0, SIZE as u32).unwrap();
        assert!(wanted[..] == content[..], "the clone is not what {replica} has in the snapshot");
        open.close().unwrap();
    }
    assert_eq!((content[MIB as usize], content[(8 * MIB) as usize], content[(23 * MIB) as usize]), (1, 0, 3));
}
