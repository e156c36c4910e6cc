//! Disks that change what was written: it is noticed, answered rightly from another replica, repaired and counted; and what
//! no disk has changed is never taken for changed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};
use aurochs_engine::grpc::engine_v1::{ChecksumStatus, ReplicaMode};
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::rule;
use parties::sums::{check_sums, flip};
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB;
const BLOCK: usize = 4096;
const HEAD_IMAGE: &str = "volume-head-000.img";

async fn put(engine: &TestEngine, offset: u64, byte: u8, length: usize) {
    let data = AlignedBuf::copy_of(&vec![byte; length]);
    engine.run(move |volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

async fn get(engine: &TestEngine, offset: u64, length: usize) -> Result<Vec<u8>, IoError> {
    let read = engine.run(move |volume| async move { volume.read(offset, length as u32).await }).await;
    read.map(|data| data.to_vec())
}

async fn clear(engine: &TestEngine) {
    while !engine.run(|volume| async move { volume.clear_dirty_regions().await }).await {}
}

async fn snapshot(engine: &TestEngine, name: &'static str) {
    engine.run(move |volume| async move { volume.snapshot(name, BTreeMap::new(), true).await }).await.unwrap();
}

fn checksums(engine: &TestEngine) -> ChecksumStatus {
    engine.status().checksums.unwrap()
}

/// Two members, the first blocks of which hold 1.
async fn begin(copies: usize) -> (Parties, TestEngine) {
    let parties = Parties::new(SIZE, copies).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 0, 1, 64 * BLOCK).await;
    (parties, engine)
}

fn image(parties: &Parties, replica: usize, name: &str) -> PathBuf {
    parties.replicas[replica].directory.join(name)
}

fn byte_of(image: &PathBuf, offset: u64) -> u8 {
    let mut byte = [0];
    std::fs::File::open(image).unwrap().read_exact_at(&mut byte, offset).unwrap();
    byte[0]
}

/// Reads until each member has had its turn; everything that is read is 1.
async fn read_until_repaired(engine: &TestEngine, offset: u64, length: usize, count: u64) -> ChecksumStatus {
    while checksums(engine).repaired < count {
        let data = get(engine, offset, length).await.unwrap();
        assert!(data.iter().all(|byte| *byte == 1), "what was written is read");
    }
    checksums(engine)
}

fn all_are_members(parties: &Parties, engine: &TestEngine) -> bool {
    parties.replicas.iter().all(|replica| engine.mode(&replica.name) == Some(ReplicaMode::Rw))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_block_of_the_head_is_read_elsewhere_and_repaired() {
    let (mut parties, engine) = begin(2).await;
    let changed = image(&parties, 0, HEAD_IMAGE);
    flip(&changed, 5 * BLOCK as u64 + 7);
    let status = read_until_repaired(&engine, 5 * BLOCK as u64, BLOCK, 1).await;
    assert_eq!((status.found, status.repaired, status.not_repaired), (1, 1, 0));
    assert_eq!(
        (status.last_replica.as_str(), status.last_image.as_str()),
        (parties.replicas[0].name.as_str(), HEAD_IMAGE)
    );
    assert_eq!((status.last_offset, byte_of(&changed, 5 * BLOCK as u64 + 7)), (5 * BLOCK as u64, 1));
    assert!(all_are_members(&parties, &engine), "one bad block takes nobody out");
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let names: Vec<String> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    parties.equal_content(&names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_block_of_a_snapshot_is_repaired_where_it_lies() {
    let (parties, engine) = begin(3).await;
    snapshot(&engine, "s").await;
    put(&engine, 20 * BLOCK as u64, 1, BLOCK).await;
    let layer = image(&parties, 1, "volume-snap-s.img");
    let head = image(&parties, 1, "volume-head-001.img");
    let before = std::fs::metadata(&head).map(|facts| std::os::unix::fs::MetadataExt::blocks(&facts)).unwrap();
    flip(&layer, 9 * BLOCK as u64);
    read_until_repaired(&engine, 0, 64 * BLOCK, 1).await;
    // Below what the head hides it is seen from the snapshot alone.
    flip(&layer, 20 * BLOCK as u64);
    while checksums(&engine).repaired < 2 {
        let read = engine.run(|volume| async move { volume.read_snapshot("s", 0, 64 * BLOCK as u32).await }).await;
        assert!(read.unwrap().iter().all(|byte| *byte == 1));
    }
    assert_eq!((byte_of(&layer, 9 * BLOCK as u64), byte_of(&layer, 20 * BLOCK as u64)), (1, 1));
    let after = std::fs::metadata(&head).map(|facts| std::os::unix::fs::MetadataExt::blocks(&facts)).unwrap();
    assert_eq!(before, after, "nothing was put on top");
    assert!(all_are_members(&parties, &engine));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_blocks_that_are_bad_here_and_there_is_right() {
    let (parties, engine) = begin(2).await;
    flip(&image(&parties, 0, HEAD_IMAGE), 3 * BLOCK as u64);
    flip(&image(&parties, 1, HEAD_IMAGE), 4 * BLOCK as u64);
    let status = read_until_repaired(&engine, 100, 20 * BLOCK, 2).await;
    assert_eq!((status.found, status.not_repaired), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replica_has_is_an_error_and_never_wrong_data() {
    let (parties, engine) = begin(2).await;
    for replica in 0..2 {
        flip(&image(&parties, replica, HEAD_IMAGE), 6 * BLOCK as u64 + replica as u64);
    }
    let error = get(&engine, 5 * BLOCK as u64, 3 * BLOCK).await.unwrap_err();
    assert!(error.message.contains("does not hold what was written"), "{error}");
    engine.wait("both are counted", |status| status.checksums.as_ref().unwrap().not_repaired == 2).await;
    assert!(all_are_members(&parties, &engine));
    // What is beside it is there, and whoever writes it anew has it again.
    assert_eq!(get(&engine, 5 * BLOCK as u64, BLOCK).await.unwrap(), vec![1; BLOCK]);
    put(&engine, 6 * BLOCK as u64, 2, BLOCK).await;
    for _ in 0..64 {
        assert_eq!(get(&engine, 6 * BLOCK as u64, BLOCK).await.unwrap(), vec![2; BLOCK]);
    }
}

/// A write of a part of it fails on both, so that its region is compared.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_no_replica_has_takes_nobody_out() {
    let (parties, engine) = begin(2).await;
    for replica in 0..2 {
        flip(&image(&parties, replica, HEAD_IMAGE), 6 * BLOCK as u64 + replica as u64);
    }
    let part = AlignedBuf::copy_of(&[2; 512]);
    let written =
        engine.run(|volume| async move { volume.write(6 * BLOCK as u64, part, Durability::Written).await }).await;
    written.unwrap_err();
    assert_eq!(get(&engine, 7 * BLOCK as u64, BLOCK).await.unwrap(), vec![1; BLOCK]);
    get(&engine, 6 * BLOCK as u64, BLOCK).await.unwrap_err();
    assert!(all_are_members(&parties, &engine));
    clear(&engine).await;
    put(&engine, 6 * BLOCK as u64, 3, BLOCK).await;
    for _ in 0..64 {
        assert_eq!(get(&engine, 6 * BLOCK as u64, BLOCK).await.unwrap(), vec![3; BLOCK]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_replica_says_so_too() {
    let (parties, engine) = begin(1).await;
    flip(&image(&parties, 0, HEAD_IMAGE), 0);
    let error = get(&engine, 0, BLOCK).await.unwrap_err();
    assert!(error.message.contains("does not hold what was written"), "{error}");
    engine.wait("it is counted", |status| status.checksums.as_ref().unwrap().not_repaired == 1).await;
    assert_eq!(get(&engine, BLOCK as u64, BLOCK).await.unwrap(), vec![1; BLOCK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_a_part_of_a_changed_block_drops_nobody() {
    let (parties, engine) = begin(2).await;
    flip(&image(&parties, 0, HEAD_IMAGE), 7 * BLOCK as u64);
    put(&engine, 7 * BLOCK as u64 + 512, 1, 512).await;
    assert!(all_are_members(&parties, &engine));
    for _ in 0..64 {
        assert_eq!(get(&engine, 7 * BLOCK as u64, BLOCK).await.unwrap(), vec![1; BLOCK]);
    }
    assert_eq!(checksums(&engine).not_repaired, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checksum_that_was_changed_itself_is_repaired() {
    let (parties, engine) = begin(2).await;
    let listing = std::fs::read_dir(&parties.replicas[0].directory).unwrap().map(|entry| entry.unwrap().path());
    let sums: Vec<_> = listing.filter(|path| path.to_string_lossy().contains("aurochs.sums.")).collect();
    assert_eq!(sums.len(), 1);
    flip(&sums[0], 4 * 11);
    read_until_repaired(&engine, 11 * BLOCK as u64, BLOCK, 1).await;
    clear(&engine).await;
    assert!(check_sums(&parties.replicas[0].directory)[HEAD_IMAGE] >= 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_copies_no_changed_block() {
    let (mut parties, engine) = begin(2).await;
    snapshot(&engine, "s").await;
    for (replica, block) in [(0, 8), (1, 9)] {
        flip(&image(&parties, replica, "volume-snap-s.img"), block * BLOCK as u64);
    }
    let third = parties.another().await;
    engine.rebuild(&parties.replicas[third]).await;
    assert!((1..=2).contains(&checksums(&engine).repaired), "{:?}", checksums(&engine));
    let content = std::fs::read(image(&parties, third, "volume-snap-s.img")).unwrap();
    assert!(content[..64 * BLOCK].iter().all(|byte| *byte == 1));
}

/// A member that gets everything anew knows it, and so does one that was merged, expanded or put back.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_stays_right_and_is_kept() {
    let (mut parties, engine) = begin(2).await;
    for (name, byte) in [("a", 2), ("b", 3), ("c", 4)] {
        snapshot(&engine, name).await;
        put(&engine, u64::from(byte) * 10 * BLOCK as u64, byte, 20 * BLOCK).await;
    }
    let third = parties.another().await;
    engine.rebuild(&parties.replicas[third]).await;
    for name in ["b", "a"] {
        engine.run(move |volume| async move { volume.remove_snapshot(name).await }).await.unwrap();
    }
    engine
        .run(|volume| async move { volume.purge(aurochs_engine::volume::purge::IfPurging::Refuse).await })
        .await
        .unwrap();
    engine.wait("the purge is over", |status| status.exclusive_work.is_empty()).await;
    engine.run(|volume| async move { volume.expand(2 * SIZE, std::future::ready(Ok(()))).await }).await.unwrap();
    put(&engine, SIZE + MIB, 5, 10 * BLOCK).await;
    let content = get(&engine, 0, 100 * BLOCK).await.unwrap();
    engine.run(|volume| async move { volume.revert("c").await }).await.unwrap();
    put(&engine, 0, 6, BLOCK).await;
    assert_eq!(content[40 * BLOCK], 4);
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let names: Vec<String> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
    for replica in &mut parties.replicas {
        replica.stop().await;
        let known = check_sums(&replica.directory);
        assert!(known["volume-snap-c.img"] >= 64, "{}: {known:?}", replica.name);
    }
    parties.equal_content(&names).await;
}

/// The power goes while a block is written: nobody knows which of its two contents the disk has.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_may_have_been_on_its_way_is_not_taken_for_changed() {
    let (mut parties, mut engine) = begin(1).await;
    clear(&engine).await;
    put(&engine, 2 * MIB, 1, BLOCK).await;
    engine.crash();
    parties.replicas[0].crash().await;
    flip(&image(&parties, 0, HEAD_IMAGE), 2 * MIB);
    parties.replicas[0].start();
    let engine = parties.attach().await.unwrap();
    let read = get(&engine, 2 * MIB, BLOCK).await.expect("no false alarm");
    assert_eq!(read[0], 1 ^ 0x10);
    // What was not on its way is known still.
    flip(&image(&parties, 0, HEAD_IMAGE), 0);
    get(&engine, 0, BLOCK).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_is_not_taken_for_changed() {
    let (mut parties, engine) = begin(1).await;
    clear(&engine).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    parties.replicas[0].stop().await;
    let meta = image(&parties, 0, "volume.meta");
    std::fs::copy(&meta, meta.with_extension("new")).unwrap();
    std::fs::rename(meta.with_extension("new"), &meta).unwrap();
    flip(&image(&parties, 0, HEAD_IMAGE), 0);
    parties.replicas[0].start();
    let engine = parties.attach().await.unwrap();
    assert_eq!(get(&engine, 0, BLOCK).await.unwrap()[0], 1 ^ 0x10);
    // From now on it is known.
    clear(&engine).await;
    flip(&image(&parties, 0, HEAD_IMAGE), 0);
    get(&engine, 0, BLOCK).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_checksums_none_are_kept() {
    let (mut parties, engine) = begin(1).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    parties.replicas[0].stop().await;
    let directory = &parties.replicas[0].directory;
    assert!(check_sums(directory)[HEAD_IMAGE] >= 64);
    let options = OpenOptions { no_checksums: true, ..OpenOptions::default() };
    let without = Replica::open(directory, options).unwrap();
    without.write(0, &AlignedBuf::copy_of(&[9; BLOCK])).unwrap();
    without.close().unwrap();
    assert_eq!(check_sums(directory)[HEAD_IMAGE], 0);
    flip(&directory.join(HEAD_IMAGE), 0);
    assert_eq!(Replica::open(directory, OpenOptions::default()).unwrap().read(0, 1).unwrap()[0], 9 ^ 0x10);
}

/// What no test misses is not tested.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build leaves no rule out")]
fn each_rule_is_missed() {
    for (left_out, test, said) in [
        (rule::READS_ARE_CHECKED, "a_single_replica_says_so_too", "unwrap_err"),
        (rule::DIRTY_IS_NOT_KNOWN, "a_block_that_may_have_been_on_its_way_is_not_taken_for_changed", "no false alarm"),
    ] {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(rule::LEAVE_OUT, left_out)
            .output()
            .unwrap();
        let text = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!run.status.success() && text.contains(said), "nothing notices that {left_out} is left out: {text}");
    }
}
