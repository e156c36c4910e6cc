//! Where a volume says it has data while replicas come and go: a block that was written is in no hole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{Allocation, BlockDevice, Durability, IoErrorKind};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::volume::Volume;
use parties::{Parties, TestEngine};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;

async fn write(volume: &Volume, offset: u64, length: u64) {
    let data = AlignedBuf::copy_of(&vec![7; length as usize]);
    volume.write(offset, data, Durability::Written).await.unwrap();
}

/// Ranges with data of the whole volume, in as many questions as it takes.
async fn data(volume: &Volume) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (0, Vec::<(u64, u64)>::new());
    while at < volume.size() {
        for extent in volume.allocation(at, volume.size() - at).await.unwrap() {
            if extent.state == Allocation::Data {
                match found.last_mut() {
                    Some((start, length)) if *start + *length == at => *length += extent.length,
                    _ => found.push((at, extent.length)),
                }
            }
            at += extent.length;
        }
    }
    assert_eq!(at, volume.size());
    found
}

async fn data_of(engine: &TestEngine) -> Vec<(u64, u64)> {
    engine.run(|volume| async move { data(&volume).await }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_tells_where_its_data_is() {
    let parties = Parties::new(64 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    assert_eq!(data_of(&engine).await, []);
    let fragments = engine.run(|volume| async move {
        write(&volume, MIB, 2 * BLOCK).await;
        write(&volume, 40 * MIB + 5, 1).await;
        let first = data(&volume).await;
        volume.discard(MIB, BLOCK).await.unwrap();
        assert_eq!(data(&volume).await[0], (MIB + BLOCK, BLOCK));
        let past_the_end = volume.allocation(63 * MIB, 2 * MIB).await.unwrap_err();
        assert_eq!(past_the_end.kind, IoErrorKind::OutOfRange);
        first
    });
    assert_eq!(fragments.await, [(MIB, 2 * BLOCK), (40 * MIB, BLOCK)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_is_bounded_and_the_next_goes_on_behind_it() {
    let parties = Parties::new(64 * MIB, 1).await;
    let engine = parties.attach().await.unwrap();
    let expected: Vec<_> = (0..5000).map(|at| (at * 2 * BLOCK, BLOCK)).collect();
    let written = expected.clone();
    let extents = engine.run(|volume| async move {
        for (offset, length) in written {
            write(&volume, offset, length).await;
        }
        volume.allocation(0, volume.size()).await.unwrap().len()
    });
    assert!(extents.await <= 4096);
    assert_eq!(data_of(&engine).await, expected);
}

/// Each block is asked for right after its write was acknowledged, in the middle of which a replica is lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_data_while_replicas_are_lost() {
    let mut parties = Parties::new(64 * MIB, 3).await;
    let engine = parties.attach().await.unwrap();
    let writing = engine.spawn(|volume| async move {
        for block in 0..2000 {
            let offset = block * 2 * BLOCK;
            write(&volume, offset, BLOCK).await;
            let extents = volume.allocation(offset, BLOCK).await.unwrap();
            assert_eq!(extents[0].state, Allocation::Data, "block {block}");
        }
    });
    for lost in 0..2 {
        parties.replicas[lost].crash().await;
        engine.wait_mode(&parties.replicas[lost].name, ReplicaMode::Err).await;
    }
    writing.await.unwrap();
}
