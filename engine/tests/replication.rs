//! A volume on real processes: what is on the replicas after copies, kills, rebuilds, snapshots and unclean ends.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod node;

use aurochs_engine::grpc::engine_v1::{
    EngineState, EngineStatus, ReplicaMode, SnapshotCreateRequest, SnapshotNameRequest,
};
use aurochs_engine::grpc::instance_v1::EngineSpec;
use nix::sys::signal::Signal;
use node::{Engine, MIB, Node, kill, mode_of, noise, run, run_any, signal};

const SIZE: u64 = 64 * MIB;

async fn copy_in(engine: &Engine, file: &std::path::Path) {
    let uri = engine.status().await.nbd_uri;
    run("nbdcopy", &["--flush", &file.display().to_string(), &uri]).await;
}

async fn copy_out(engine: &Engine, node: &Node) -> Vec<u8> {
    let uri = engine.status().await.nbd_uri;
    let file = node.root.path().join("out.img");
    run("nbdcopy", &[&uri, &file.display().to_string()]).await;
    std::fs::read(file).unwrap()
}

async fn take(engine: &Engine, name: &str) {
    let request = SnapshotCreateRequest { name: name.into(), user_created: true, ..SnapshotCreateRequest::default() };
    engine.client.clone().snapshot_create(request).await.unwrap();
}

/// Kills a replica and waits until its loss is recorded: before that the status names it as failed already.
async fn lose(node: &Node, engine: &Engine, replica: &str) -> EngineStatus {
    let generation = engine.status().await.generation;
    kill(node.instance(replica).await.unwrap().pid);
    engine.wait("loss recorded", |status| status.generation > generation).await
}

fn image(node: &Node, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = node.root.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_write_is_on_all_three_replicas() {
    let node = Node::start().await;
    let volume = node.create("nbd", SIZE, 3).await;
    let engine = node.attach(&volume, "nbd").await;
    let mut expected = noise(1, SIZE as usize);
    expected[8 * MIB as usize..24 * MIB as usize].fill(0);
    let source = image(&node, "in.img", &expected);
    copy_in(&engine, &source).await;
    let uri = engine.status().await.nbd_uri;
    run("qemu-img", &["compare", "-f", "raw", "-F", "raw", &source.display().to_string(), &uri]).await;
    // Unaligned writes, zeros and discards through another client, verified by it.
    let commands =
        ["write -P 0x5a 4097 12345", "read -P 0x5a 4097 12345", "write -z 1M 1M", "read -P 0 1M 1M", "flush"];
    let mut arguments = vec!["-f", "raw"];
    commands.iter().for_each(|command| arguments.extend(["-c", *command]));
    arguments.push(&uri);
    let said = run("qemu-io", &arguments).await;
    assert!(!said.contains("Pattern verification failed"), "{said}");
    expected[4097..4097 + 12345].fill(0x5a);
    expected[MIB as usize..2 * MIB as usize].fill(0);
    assert!(copy_out(&engine, &node).await == expected, "read back through the engine");
    node.stop(&engine.name).await;
    assert!(node.record(&volume).await.clean, "a stop on request is clean");
    assert!(node.equal_content(&volume.replicas).await == expected, "read from the replica files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_is_dropped_and_rebuilt_under_writes() {
    let node = Node::start().await;
    let volume = node.create("rebuilt", SIZE, 3).await;
    let engine = node.attach(&volume, "nbd").await;
    let mut expected = noise(2, SIZE as usize);
    copy_in(&engine, &image(&node, "in.img", &expected)).await;
    take(&engine, "before").await;
    let victim = volume.replicas[1].clone();
    let degraded = lose(&node, &engine, &victim).await;
    assert_eq!(node.record(&volume).await.members.len(), 2, "the loss is recorded");
    assert!(
        degraded.replicas.iter().any(|replica| replica.name == victim && !replica.cause.is_empty()),
        "with its cause"
    );

    let uri = engine.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "write -P 0x11 5M 3M", &uri]).await;
    expected[5 * MIB as usize..8 * MIB as usize].fill(0x11);
    node.add_replica(&engine, &volume, &victim).await;
    // Small, unaligned writes while the copy runs: they must not merge with data that the joiner lacks.
    let mut writes = Vec::new();
    for step in 0..200_u64 {
        let (at, length) = (MIB / 2 + step * 300_007 % (60 * MIB), 1 + step * 37 % 5000);
        writes.push(format!("write -P {} {at} {length}", step % 255 + 1));
        expected[at as usize..(at + length) as usize].fill((step % 255 + 1) as u8);
    }
    let mut arguments = vec!["-f", "raw"];
    writes.iter().for_each(|write| arguments.extend(["-c", write.as_str()]));
    arguments.push(&uri);
    run("qemu-io", &arguments).await;
    let healthy = engine.wait_mode(&victim, ReplicaMode::Rw).await;
    let rebuild = healthy.rebuilds.iter().find(|rebuild| rebuild.replica == victim).unwrap();
    assert!(rebuild.planned_bytes > 0 && rebuild.done_bytes == rebuild.planned_bytes, "{rebuild:?}");
    assert_eq!(node.record(&volume).await.members.len(), 3);

    // The two older ones go; the rebuilt one alone serves everything.
    for other in volume.replicas.iter().filter(|name| **name != victim) {
        node.stop(other).await;
        let gone = |status: &_| mode_of(status, other) != Some(ReplicaMode::Rw);
        engine
            .wait("replica gone", |status| {
                gone(status) || status.replicas.iter().filter(|r| r.mode() == ReplicaMode::Rw).count() == 1
            })
            .await;
    }
    assert!(copy_out(&engine, &node).await == expected, "served by the rebuilt replica alone");
    node.stop(&engine.name).await;
    node.stop(&victim).await;
    assert!(node.content(&victim) == expected, "on the rebuilt replica's disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_revert_agree_on_all_replicas() {
    let node = Node::start().await;
    let volume = node.create("snapped", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let before = noise(3, SIZE as usize);
    copy_in(&engine, &image(&node, "before.img", &before)).await;
    take(&engine, "good").await;
    let twice = SnapshotCreateRequest { name: "good".into(), user_created: true, ..SnapshotCreateRequest::default() };
    let refused = engine.client.clone().snapshot_create(twice).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    let uri = engine.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "write -P 0x77 0 32M", "-c", "flush", &uri]).await;
    let in_use = engine.client.clone().snapshot_revert(SnapshotNameRequest { name: "good".into() }).await.unwrap_err();
    assert!(in_use.message().contains("maintenance"), "{in_use}");
    node.stop(&engine.name).await;

    let maintenance = node.attach(&volume, "").await;
    let unknown = SnapshotNameRequest { name: "nothing".into() };
    assert!(maintenance.client.clone().snapshot_revert(unknown).await.is_err());
    maintenance.client.clone().snapshot_revert(SnapshotNameRequest { name: "good".into() }).await.unwrap();
    let status = maintenance.status().await;
    assert_eq!(status.replicas.iter().filter(|replica| replica.mode() == ReplicaMode::Rw).count(), 2, "{status:?}");
    node.stop(&maintenance.name).await;
    assert!(node.equal_content(&volume.replicas).await == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_data_survives_a_killed_engine_and_replicas_are_made_equal() {
    let node = Node::start().await;
    let volume = node.create("unclean", SIZE, 3).await;
    let engine = node.attach(&volume, "nbd").await;
    let expected = noise(4, SIZE as usize);
    copy_in(&engine, &image(&node, "in.img", &expected)).await;
    let uri = engine.status().await.nbd_uri;
    // Writes in flight at the moment of the kill, all in the second half.
    let load = tokio::spawn(async move {
        let half = "write -P 0x33 32M 16M";
        run_any("qemu-io", &["-f", "raw", "-c", half, "-c", half, "-c", half, "-c", half, &uri]).await
    });
    let counted = engine.wait("writes", |status| status.io.as_ref().is_some_and(|io| io.written_bytes > SIZE)).await;
    assert_eq!(counted.state(), EngineState::Running);
    kill(engine.pid);
    let _ = load.await;
    assert!(!node.record(&volume).await.clean);

    let again = node.attach(&volume, "nbd").await;
    let read = copy_out(&again, &node).await;
    assert!(read[..32 * MIB as usize] == expected[..32 * MIB as usize], "what was flushed is there");
    again.wait("all regions equal", |status| status.reconcile_regions_left == 0).await;
    assert!(copy_out(&again, &node).await == read, "a second read says the same");
    node.stop(&again.name).await;
    assert!(node.equal_content(&volume.replicas).await == read, "and so do all replicas");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_an_older_epoch_is_fenced() {
    let node = Node::start().await;
    let volume = node.create("fenced", SIZE, 2).await;
    let old = node.attach(&volume, "nbd").await;
    let refused = node.try_start_engine(&volume, "", &node.client).await.err().expect("one engine a node");
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains(&old.name), "it names the one that runs: {refused}");
    let elsewhere = node.another_node().await;
    let new = node.try_start_engine(&volume, "", &elsewhere.client).await.unwrap();
    new.wait_up().await;
    let ended = old.client.clone();
    // The old one ends by itself; until then it fails all I/O.
    let gone = async {
        while let Ok(status) = ended.clone().status(aurochs_engine::grpc::engine_v1::StatusRequest {}).await {
            assert_ne!(
                status.into_inner().generation,
                new.status().await.generation + 1,
                "the old one changes nothing"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.expect("the fenced engine ends");
    let status = new.status().await;
    assert_eq!(status.replicas.iter().filter(|replica| replica.mode() == ReplicaMode::Rw).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_instance_manager_finds_what_runs() {
    let mut node = Node::start().await;
    let volume = node.create("adopted", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let expected = noise(5, SIZE as usize);
    copy_in(&engine, &image(&node, "in.img", &expected)).await;
    node.replace_manager().await;
    assert_eq!(node.instance(&engine.name).await.map(|instance| instance.pid), Some(engine.pid), "adopted");
    assert!(copy_out(&engine, &node).await == expected, "and still serving");
    // The keeper is reachable again too: a loss can be recorded.
    kill(node.instance(&volume.replicas[0]).await.unwrap().pid);
    engine.wait_mode(&volume.replicas[0], ReplicaMode::Err).await;
    let uri = engine.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "write -P 1 0 1M", "-c", "flush", &uri]).await;
    assert_eq!(node.record(&volume).await.members, [volume.replicas[1].clone()]);
    node.stop(&engine.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_replica_there_is_an_error_and_never_wrong_data() {
    let node = Node::start().await;
    let volume = node.create("lost", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    run("qemu-io", &["-f", "raw", "-c", "write -P 9 0 1M", "-c", "flush", &uri]).await;
    // One after the other: of two that are lost at once none would be taken out.
    lose(&node, &engine, &volume.replicas[0]).await;
    kill(node.instance(&volume.replicas[1]).await.unwrap().pid);
    let failed = engine.wait("failed", |status| status.state() == EngineState::Failed).await;
    assert!(failed.cause.contains("no replica is left"), "{}", failed.cause);
    let read = run_any("qemu-io", &["-f", "raw", "-c", "read 0 1M", &uri]).await;
    let said = String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
    assert!(said.contains("read failed") || !read.status.success(), "{said}");
    assert_eq!(node.record(&volume).await.members, volume.replicas[1..], "the record never loses its last member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_replica_is_left_out_and_left_alone() {
    let node = Node::start().await;
    let volume = node.create("corrupt", SIZE, 2).await;
    let meta = node.directory(&volume.replicas[0]).join("volume.meta");
    std::fs::write(&meta, "{\"Size\":").unwrap();
    let engine = node.attach(&volume, "nbd").await;
    let status = engine.status().await;
    let replica = status.replicas.iter().find(|replica| replica.name == volume.replicas[0]).unwrap();
    assert_eq!(replica.mode(), ReplicaMode::Err);
    assert!(replica.cause.contains("volume.meta"), "{}", replica.cause);
    assert_eq!(std::fs::read_to_string(&meta).unwrap(), "{\"Size\":", "nothing was changed");
    node.stop(&engine.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_wait_while_the_keeper_stands_still_and_lose_nothing() {
    let node = Node::start().await;
    let volume = node.create("keeperless", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    let victim = node.instance(&volume.replicas[0]).await.unwrap().pid;
    signal(node.manager_pid(), Signal::SIGSTOP);
    kill(victim);
    engine.wait_mode(&volume.replicas[0], ReplicaMode::Err).await;
    let mut writing =
        tokio::spawn(async move { run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 1M", "-c", "flush", &uri]).await });
    engine.wait("waiting for the record", |status| !status.cause.is_empty()).await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut writing).await;
    assert!(early.is_err(), "acknowledged while the loss is not recorded");
    signal(node.manager_pid(), Signal::SIGCONT);
    writing.await.unwrap();
    assert_eq!(node.record(&volume).await.members, [volume.replicas[1].clone()]);
    // The killed one comes back with old data: the next attach does not use it.
    node.start_replica(&volume, &volume.replicas[0]).await;
    node.stop(&engine.name).await;
    let again = node.attach(&volume, "nbd").await;
    assert!(copy_out(&again, &node).await[..MIB as usize].iter().all(|byte| *byte == 7));
    assert_eq!(mode_of(&again.status().await, &volume.replicas[0]), None, "it is no member");
    node.stop(&again.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stands_still_is_dropped_unless_it_is_the_last() {
    let node = Node::start().await;
    let volume = node.create("slow", SIZE, 2).await;
    let engine = node.attach(&volume, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    let first = node.instance(&volume.replicas[0]).await.unwrap().pid;
    signal(first, Signal::SIGSTOP);
    let write = |pattern: u8| {
        let (uri, command) = (uri.clone(), format!("write -P {pattern} 0 1M"));
        async move { run("qemu-io", &["-f", "raw", "-c", &command, "-c", "flush", &uri]).await }
    };
    write(1).await;
    assert_eq!(mode_of(&engine.status().await, &volume.replicas[0]), Some(ReplicaMode::Err));
    let last = node.instance(&volume.replicas[1]).await.unwrap().pid;
    signal(last, Signal::SIGSTOP);
    let writing = tokio::spawn(write(2));
    // Longer than any deadline: nobody else answers, so it is waited for.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(engine.status().await.state(), EngineState::Running);
    signal(last, Signal::SIGCONT);
    writing.await.unwrap();
    signal(first, Signal::SIGCONT);
    assert!(copy_out(&engine, &node).await[..MIB as usize].iter().all(|byte| *byte == 2));
    assert_eq!(node.record(&volume).await.members, [volume.replicas[1].clone()]);
    node.stop(&engine.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_started_with_the_limits_and_the_salvage_that_are_asked_for() {
    let node = Node::start().await;
    let volume = node.create("limited", 4 * MIB, 2).await;
    let options = EngineSpec {
        frontend: "nbd".into(),
        snapshot_max_count: 7,
        snapshot_max_size_bytes: MIB,
        unmap_mark_snap_chain_removed: true,
        ..EngineSpec::default()
    };
    let engine = node.try_start_engine_with(&volume, options, &node.client).await.unwrap();
    let status = engine.wait("up", |status| status.state() == EngineState::Running).await;
    assert_eq!((status.snapshot_max_count, status.snapshot_max_size_bytes), (7, MIB));
    assert!(status.unmap_mark_snap_chain_removed);
    copy_in(&engine, &image(&node, "in.img", &noise(3, 4 * MIB as usize))).await;
    // The one with all data is lost for ever.
    lose(&node, &engine, &volume.replicas[0]).await;
    node.stop(&engine.name).await;
    node.stop(&volume.replicas[1]).await;
    std::fs::remove_dir_all(node.directory(&volume.replicas[1])).unwrap();
    node.start_replica(&volume, &volume.replicas[0]).await;
    let options = EngineSpec { frontend: "nbd".into(), salvage: true, ..EngineSpec::default() };
    let engine = node.try_start_engine_with(&volume, options, &node.client).await.unwrap();
    engine.wait("salvaged", |status| status.state() == EngineState::Running).await;
    assert_eq!(node.record(&volume).await.members, [volume.replicas[0].clone()]);
    assert!(copy_out(&engine, &node).await == noise(3, 4 * MIB as usize));
}
