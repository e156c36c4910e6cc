//! Checksums of blocks: what they notice, what puts a block right, and what becomes of them where they cannot be kept.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::libc::{EIO, ENOSPC};

use super::{BLOCK, Scratch, filled, head_bytes, put, take, with_sums};
use crate::disk::fault::fail;
use crate::disk::queue::IoQueue;
use crate::replica::{Replica, ReplicaError, names};
use crate::rule;

const HEAD: &str = "volume-head-000.img";

/// Flips a bit of a block.
fn change(scratch: &Scratch, image: &str, block: usize) {
    let file = std::fs::File::options().read(true).write(true).open(scratch.dir.join(image)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, (block * BLOCK) as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1], (block * BLOCK) as u64).unwrap();
    file.sync_all().unwrap();
}

fn sums(scratch: &Scratch) -> Vec<String> {
    with_sums(&scratch.dir).0
}

fn clear(replica: &Replica) {
    let round = replica.begin_region_round().unwrap();
    replica.end_region_round(round).unwrap();
}

fn read_block(replica: &Replica, block: usize) -> Result<u8, ReplicaError> {
    replica.read((block * BLOCK) as u64, BLOCK as u32).map(|data| data[0])
}

#[test]
fn a_changed_block_is_noticed_also_by_the_next_open_and_in_a_snapshot() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    change(&scratch, HEAD, 1);
    assert!(matches!(read_block(&replica, 1), Err(ReplicaError::Damaged { .. })));
    assert_eq!(read_block(&replica, 0).unwrap(), 7);
    clear(&replica);
    take(&replica, "s");
    replica.close().unwrap();
    let replica = scratch.open();
    let error = read_block(&replica, 1).unwrap_err().to_string();
    assert!(error.contains("volume-snap-s.img") && error.contains("at byte 4096"), "{error}");
    assert!(matches!(replica.read_snapshot("s", 0, 3 * BLOCK as u32), Err(ReplicaError::Damaged { .. })));
    // Not even a part of it can be written, for the rest would be wrong; all of it can.
    assert!(matches!(replica.write(4097, &filled(3, 10)), Err(ReplicaError::Damaged { .. })));
    put(&replica, 1, 1, 3);
    assert_eq!(head_bytes(&replica), [7, 3, 7, 7, 0, 0, 0, 0]);
}

#[test]
fn what_was_never_known_is_learned_by_reading() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    take(&replica, "s");
    replica.close().unwrap();
    sums(&scratch).iter().for_each(|file| std::fs::remove_file(scratch.dir.join(file)).unwrap());
    let replica = scratch.open();
    assert_eq!(head_bytes(&replica), [7, 7, 7, 7, 0, 0, 0, 0]);
    change(&scratch, "volume-snap-s.img", 2);
    assert!(matches!(read_block(&replica, 2), Err(ReplicaError::Damaged { .. })));
}

#[test]
fn a_block_is_repaired_only_with_what_it_held() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    take(&replica, "s");
    put(&replica, 3, 1, 8);
    change(&scratch, "volume-snap-s.img", 1);
    change(&scratch, "volume-head-001.img", 3);
    let report = replica.repair("", 0, &filled(9, 4 * BLOCK)).unwrap();
    assert_eq!((report.repaired, report.not_repaired), (0, 2));
    let report = replica.repair("", 0, &filled(7, 4 * BLOCK)).unwrap();
    assert_eq!((report.repaired, report.not_repaired, report.offset), (1, 1, 3 * BLOCK as u64));
    let report = replica.repair("", 3 * BLOCK as u64, &filled(8, BLOCK)).unwrap();
    assert_eq!((report.repaired, report.image.as_str()), (1, "volume-head-001.img"));
    assert_eq!(head_bytes(&replica), [7, 7, 7, 8, 0, 0, 0, 0]);
    change(&scratch, "volume-snap-s.img", 3);
    assert_eq!(replica.repair("volume-snap-s.img", 0, &filled(7, 4 * BLOCK)).unwrap().repaired, 1);
    assert!(replica.read_snapshot("s", 0, 4 * BLOCK as u32).unwrap().iter().all(|byte| *byte == 7));
    assert_eq!(replica.repair("", 0, &filled(9, 8 * BLOCK)).unwrap(), crate::replica::RepairReport::default());
}

/// The failed write may have left anything there, the damage too.
#[test]
fn a_repair_that_fails_leaves_the_block_known_as_wrong() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    change(&scratch, "volume-head-000.img", 1);
    {
        let _broken = fail("write", "volume-head-000.img", EIO);
        replica.repair("", 0, &filled(7, 4 * BLOCK)).unwrap_err();
    }
    assert!(matches!(read_block(&replica, 1), Err(ReplicaError::Damaged { .. })));
    assert_eq!(replica.repair("", 0, &filled(7, 4 * BLOCK)).unwrap().repaired, 1);
    assert_eq!(read_block(&replica, 1).unwrap(), 7);
}

/// A disk makes zeros of what it lost, and another replica shows them where a layer of it holds nothing.
#[test]
fn zeros_elsewhere_do_not_make_lost_data_right() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    let head = std::fs::OpenOptions::new().write(true).open(scratch.dir.join("volume-head-000.img")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&head, &[0; BLOCK], BLOCK as u64).unwrap();
    let report = replica.repair("", BLOCK as u64, &filled(0, BLOCK)).unwrap();
    assert_eq!((report.repaired, report.not_repaired), (0, 1));
    assert!(matches!(read_block(&replica, 1), Err(ReplicaError::Damaged { .. })));
}

#[test]
fn a_full_disk_costs_the_checksums_and_nothing_else() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    clear(&replica);
    let [file] = &sums(&scratch)[..] else { panic!("one image has sums: {:?}", sums(&scratch)) };
    {
        let _full = fail("write", file, ENOSPC);
        put(&replica, 1, 1, 8);
    }
    put(&replica, 2, 1, 9);
    assert_eq!(head_bytes(&replica), [7, 8, 9, 7, 0, 0, 0, 0]);
    clear(&replica);
    assert_eq!(sums(&scratch), [] as [String; 0], "what is out of date is gone before anything is clean");
    replica.close().unwrap();
    assert_eq!(head_bytes(&scratch.open()), [7, 8, 9, 7, 0, 0, 0, 0]);
}

#[test]
fn sums_that_may_not_be_durable_are_gone_before_anything_is_clean() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    let [file] = &sums(&scratch)[..] else { panic!("one image has sums: {:?}", sums(&scratch)) };
    let _failing = fail("sync", file, EIO);
    clear(&replica);
    assert_eq!(sums(&scratch), [] as [String; 0], "left");
    assert_eq!(head_bytes(&replica), [7, 7, 7, 7, 0, 0, 0, 0]);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build leaves no rule out")]
fn that_they_are_durable_first_is_missed() {
    let test = "replica::tests::sums::sums_that_may_not_be_durable_are_gone_before_anything_is_clean";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(rule::LEAVE_OUT, rule::SUMS_BEFORE_CLEAN)
        .output();
    let said = run.unwrap();
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stdout).contains("left"), "{said:?}");
}

#[test]
fn a_merge_that_breaks_off_leaves_nothing_that_counts() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    take(&replica, "old");
    put(&replica, 2, 4, 8);
    take(&replica, "new");
    replica.mark_removed(&["old".to_owned()]).unwrap();
    {
        let _failing = fail("write", "volume-snap-old.img", EIO);
        replica.purge().unwrap_err();
    }
    assert_eq!(head_bytes(&replica), [7, 7, 8, 8, 8, 8, 0, 0]);
    replica.purge().unwrap();
    assert_eq!(head_bytes(&replica), [7, 7, 8, 8, 8, 8, 0, 0]);
    clear(&replica);
    replica.close().unwrap();
    assert_eq!(sums(&scratch).len(), 1, "of the snapshot, since nothing is in the head: {:?}", scratch.listing());
    let replica = scratch.open();
    change(&scratch, "volume-snap-new.img", 5);
    assert!(matches!(read_block(&replica, 5), Err(ReplicaError::Damaged { .. })), "what was merged is known");
    change(&scratch, "volume-snap-new.img", 0);
    assert!(matches!(read_block(&replica, 0), Err(ReplicaError::Damaged { .. })), "so is what was there before");
}

/// It stays what it was: known as wrong, and to be repaired; and what is removed does not stay on the disk for it.
#[test]
fn a_merge_carries_a_changed_block_along() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    take(&replica, "old");
    put(&replica, 2, 4, 8);
    take(&replica, "new");
    replica.mark_removed(&["old".to_owned()]).unwrap();
    change(&scratch, "volume-snap-new.img", 3);
    replica.purge().unwrap();
    clear(&replica);
    replica.close().unwrap();
    let replica = scratch.open();
    assert_eq!(scratch.listing().iter().filter(|file| file.contains("old")).count(), 0);
    assert!(matches!(read_block(&replica, 3), Err(ReplicaError::Damaged { .. })));
    assert_eq!([0, 1, 2, 4, 5].map(|block| read_block(&replica, block).unwrap()), [7, 7, 8, 8, 8]);
    assert_eq!(replica.repair("", 3 * BLOCK as u64, &filled(8, BLOCK)).unwrap().repaired, 1);
    assert_eq!(read_block(&replica, 3).unwrap(), 8);
}

/// Else it would be good from then on.
#[test]
fn a_changed_block_is_not_merged_where_nothing_can_be_known() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 7);
    take(&replica, "old");
    put(&replica, 2, 4, 8);
    take(&replica, "new");
    replica.mark_removed(&["old".to_owned()]).unwrap();
    change(&scratch, "volume-snap-new.img", 3);
    {
        let _full = fail("write", names::CHANGING_SUFFIX, ENOSPC);
        replica.purge().unwrap_err();
    }
    assert!(matches!(read_block(&replica, 3), Err(ReplicaError::Damaged { .. })));
    assert_eq!([0, 1, 2, 4, 5].map(|block| read_block(&replica, block).unwrap()), [7, 7, 8, 8, 8]);
}

/// A read may meet a write that came after it, and finds either content, or a part of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_block_that_is_being_written_is_never_taken_for_changed() {
    const WRITES: usize = 1500;
    let scratch = Scratch::new(8);
    let replica = Arc::new(scratch.open());
    let Ok(queue) = IoQueue::start() else { return };
    put(&replica, 0, 2, 1);
    let reads = (0..6).map(|number| {
        let (replica, queue) = (Arc::clone(&replica), queue.clone());
        tokio::spawn(async move {
            for _ in 0..WRITES {
                if number < 3 {
                    replica.read_queued(&queue, 0, 2 * BLOCK as u32).await.unwrap();
                } else {
                    let replica = Arc::clone(&replica);
                    tokio::task::spawn_blocking(move || replica.read(0, BLOCK as u32).unwrap()).await.unwrap();
                }
            }
        })
    });
    let reads: Vec<_> = reads.collect();
    for number in 0..WRITES {
        let data = filled(number as u8, BLOCK);
        if number % 50 == 0 {
            replica.discard(0, BLOCK as u64).unwrap();
        }
        replica.write_queued(&queue, 0, data).await.unwrap();
    }
    for read in reads {
        read.await.unwrap();
    }
    assert_eq!(head_bytes(&replica)[0], (WRITES - 1) as u8);
}
