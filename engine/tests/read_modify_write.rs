//! A range that is changed by what is in it, while others write: nobody gets in between.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::sync::mpsc;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability, Unchanged};
use aurochs_engine::volume::Volume;
use parties::Parties;

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;

async fn count_up(volume: &Volume, offset: u64) {
    let changed = volume.read_modify_write(offset, 8, Durability::Written, |current| {
        let count = u64::from_be_bytes(current[..].try_into().unwrap());
        Ok::<_, ()>(AlignedBuf::copy_of(&(count + 1).to_be_bytes()))
    });
    changed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_count_together_lose_no_step() {
    const WRITERS: u64 = 8;
    const STEPS: u64 = 50;
    let parties = Parties::new(64 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    let counted = engine.run(|volume| async move {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let volume = volume.clone();
            writers.spawn(async move {
                for step in 0..STEPS {
                    count_up(&volume, 512).await;
                    // Another sector of the same block.
                    let data = AlignedBuf::copy_of(&[step as u8; 512]);
                    volume.write(1024 + writer * 512 % 3072, data, Durability::Written).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        volume.read(512, 8).await.unwrap()
    });
    assert_eq!(counted.await[..], (WRITERS * STEPS).to_be_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_write_waits_and_one_elsewhere_does_not() {
    let parties = Parties::new(64 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    engine
        .run(|volume| async move {
            let (has_read, reading) = tokio::sync::oneshot::channel();
            let (go_on, told) = mpsc::channel::<()>();
            let changing = tokio::spawn({
                let volume = volume.clone();
                async move {
                    let change = move |current: AlignedBuf| {
                        has_read.send(()).unwrap();
                        tokio::task::block_in_place(|| told.recv().unwrap());
                        let mut changed = current.clone();
                        changed.fill(1);
                        Ok::<_, ()>(changed)
                    };
                    volume.read_modify_write(BLOCK, 512, Durability::Written, change).await
                }
            });
            reading.await.unwrap();
            let twos = |length| AlignedBuf::copy_of(&vec![2; length]);
            let mut same = Box::pin(volume.write(BLOCK, twos(512), Durability::Written));
            assert!(futures::poll!(&mut same).is_pending());
            // Long enough on their way to the replicas for the other one to have got there, too.
            for block in 2..12 {
                volume.write(block * BLOCK, twos(4096), Durability::Written).await.unwrap();
            }
            assert!(futures::poll!(&mut same).is_pending(), "it is not written in between");
            go_on.send(()).unwrap();
            changing.await.unwrap().unwrap();
            same.await.unwrap();
            assert_eq!(volume.read(BLOCK, 512).await.unwrap()[..], [2; 512], "it came after");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declined_is_not_written() {
    let parties = Parties::new(64 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    engine
        .run(|volume| async move {
            let declined = volume.read_modify_write(0, 512, Durability::Written, |_| Err("no")).await;
            assert!(matches!(declined, Err(Unchanged::Declined("no"))), "{declined:?}");
            let keep = |current| Ok::<_, ()>(current);
            let past_the_end = volume.read_modify_write(64 * MIB, 512, Durability::Written, keep).await;
            assert!(matches!(past_the_end, Err(Unchanged::NotRead(_))), "{past_the_end:?}");
            assert!(volume.read(0, 512).await.unwrap().iter().all(|&byte| byte == 0));
        })
        .await;
}
