//! A purge and the discards around it, case by case.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::purge::Step;
use super::super::{PurgeState, ReplicaError, names};
use super::{BLOCK, Replica, Scratch, bytes_in, head_bytes, put, take};

fn mark(replica: &Replica, snapshots: &[&str]) {
    replica.mark_removed(&snapshots.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
}

fn discard(replica: &Replica, block: usize, count: usize) -> u64 {
    replica.discard((block * BLOCK) as u64, (count * BLOCK) as u64).unwrap() / BLOCK as u64
}

fn snap(name: &str) -> String {
    format!("volume-snap-{name}.img")
}

fn layers(replica: &Replica) -> Vec<String> {
    replica.layers().unwrap().into_iter().map(|layer| layer.file_name).collect()
}

/// Blocks that one layer's own file holds.
fn held(replica: &Replica, file: &str) -> u64 {
    let extents = replica.layer_extents(file, 0, usize::MAX).unwrap();
    extents.iter().map(|(_, length)| length).sum::<u64>() / BLOCK as u64
}

/// Four layers with a byte each: `a` in 0..4, `b` in 1..5, `c` in 2..6, the head in 3..7.
fn staircase(scratch: &Scratch) -> Replica {
    let replica = scratch.open();
    for (index, name) in ["a", "b", "c"].iter().enumerate() {
        put(&replica, index, 4, index as u8 + 1);
        take(&replica, name);
    }
    put(&replica, 3, 4, 4);
    replica
}

const HEAD: [u8; 8] = [1, 2, 3, 4, 4, 4, 4, 0];

#[test]
fn a_layer_between_others_is_merged_into_the_one_above() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b"]);
    let before = replica.purge_status();
    assert_eq!(before.state, PurgeState::None);
    replica.purge().unwrap();
    let status = replica.purge_status();
    assert_eq!(status.state, PurgeState::Complete);
    assert_eq!((status.planned_bytes, status.done_bytes), (4 * BLOCK as u64, 4 * BLOCK as u64));
    let check = |replica: &Replica| {
        assert_eq!(layers(replica)[1..], [snap("a"), snap("c")]);
        assert_eq!(head_bytes(replica), HEAD);
        assert_eq!(bytes_in(replica, &snap("c")), [1, 2, 3, 3, 3, 3, 0, 0]);
        assert_eq!(bytes_in(replica, &snap("a")), [1, 1, 1, 1, 0, 0, 0, 0]);
        assert_eq!(held(replica, &snap("c")), 5);
        assert!(!scratch.listing().iter().any(|file| file.contains("snap-b") || file.ends_with(".tmp")));
    };
    check(&replica);
    replica.close().unwrap();
    check(&scratch.open());
}

#[test]
fn the_layer_under_the_head_is_pruned_and_stays() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b", "c"]);
    replica.purge().unwrap();
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("c")]);
    assert_eq!(held(&replica, &snap("c")), 2, "blocks 1 and 2: the head hides the others");
    assert_eq!(head_bytes(&replica), HEAD);
    // What the head gives up shows the first live layer, as it would have without a purge.
    assert_eq!(discard(&replica, 0, 8), 6);
    assert_eq!(head_bytes(&replica), [1, 1, 1, 1, 0, 0, 0, 0]);
    drop(replica);
    let replica = scratch.open();
    assert_eq!(head_bytes(&replica), [1, 1, 1, 1, 0, 0, 0, 0]);
    replica.purge().unwrap();
    assert_eq!(layers(&replica).len(), 3);
}

#[test]
fn a_block_is_pruned_only_when_reads_that_may_want_it_have_ended() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["c"]);
    let allocated = || std::fs::metadata(scratch.dir.join(snap("c"))).unwrap().blocks() * 512 / BLOCK as u64;
    let before = allocated();
    // A read that found the head without its newest blocks and has not come to the layer below.
    let read = replica.gate.enter();
    std::thread::scope(|scope| {
        let purge = scope.spawn(|| replica.purge());
        while !replica.gate.is_wanted() && !purge.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(allocated(), before);
        drop(read);
        purge.join().unwrap().unwrap();
    });
    assert_eq!(allocated(), before - 3);
}

#[test]
fn allocated_zeros_hide_what_lies_below_them_after_a_merge_too() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "a");
    put(&replica, 0, 3, 2);
    take(&replica, "b");
    replica.write_zeroes(0, 2 * BLOCK as u64, false).unwrap();
    take(&replica, "c");
    mark(&replica, &["b"]);
    replica.purge().unwrap();
    assert_eq!(bytes_in(&replica, &snap("c")), [0, 0, 2, 1]);
    drop(replica);
    assert_eq!(head_bytes(&scratch.open()), [0, 0, 2, 1]);
}

#[test]
fn what_several_stand_on_stays_until_one_is_left() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    replica.revert("b", super::CREATED).unwrap();
    put(&replica, 0, 1, 9);
    take(&replica, "d");
    mark(&replica, &["b"]);
    replica.purge().unwrap();
    assert!(layers(&replica).contains(&snap("b")), "c and d stand on it");
    let c = bytes_in(&replica, &snap("c"));
    mark(&replica, &["d"]);
    replica.purge().unwrap();
    assert_eq!(bytes_in(&replica, &snap("c")), c);
    assert_eq!(head_bytes(&replica), [9, 2, 2, 2, 2, 0, 0, 0]);
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("b"), snap("c"), snap("d")]);
    mark(&replica, &["c"]);
    replica.purge().unwrap();
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("d")]);
    assert_eq!(head_bytes(&replica), [9, 2, 2, 2, 2, 0, 0, 0]);
}

#[test]
fn a_discard_never_changes_a_live_snapshot() {
    // Longhorn counts the removed layers and punches as many from the top: s2, which is live.
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "s1");
    put(&replica, 2, 4, 2);
    take(&replica, "s2");
    put(&replica, 4, 4, 3);
    mark(&replica, &["s1"]);
    assert_eq!(discard(&replica, 0, 8), 4, "the head's own blocks");
    assert_eq!(bytes_in(&replica, &snap("s2")), [1, 1, 2, 2, 2, 2, 0, 0]);
    assert_eq!(head_bytes(&replica), [1, 1, 2, 2, 2, 2, 0, 0]);
    drop(replica);
    let replica = scratch.open();
    assert_eq!(head_bytes(&replica), [1, 1, 2, 2, 2, 2, 0, 0]);
    assert_eq!(bytes_in(&replica, &snap("s2")), [1, 1, 2, 2, 2, 2, 0, 0]);
}

#[test]
fn a_discard_reaches_removed_layers_down_to_the_first_that_others_see() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b", "c"]);
    assert_eq!(discard(&replica, 2, 2), 1 + 2 + 2, "block 2 of b and c, block 3 of all three");
    assert_eq!(head_bytes(&replica), [1, 2, 1, 1, 4, 4, 4, 0]);
    put(&replica, 2, 1, 7);
    drop(replica);
    assert_eq!(head_bytes(&scratch.open()), [1, 2, 7, 1, 4, 4, 4, 0]);
}

#[test]
fn a_discard_in_the_middle_of_a_merge_is_not_undone_by_it() {
    // Both are removed, so that a discard reaches both; large enough for several steps.
    let scratch = Scratch::new(1024);
    let replica = scratch.open();
    put(&replica, 0, 1024, 1);
    take(&replica, "a");
    put(&replica, 0, 1024, 2);
    take(&replica, "b");
    put(&replica, 0, 1024, 3);
    take(&replica, "c");
    mark(&replica, &["b", "c"]);
    let mut run = replica.begin_purge().unwrap().unwrap();
    assert!(replica.begin_purge().unwrap().is_none(), "one at a time");
    // The choice, and one piece of the copy.
    for _ in 0..2 {
        assert_eq!(run.step(&replica).unwrap(), Step::More);
    }
    for block in [0, 100, 500, 1023] {
        discard(&replica, block, 1);
    }
    while run.step(&replica).unwrap() == Step::More {}
    let is_discarded = |block: usize| [0, 100, 500, 1023].contains(&block);
    let expected: Vec<u8> = (0..1024).map(|block| if is_discarded(block) { 1 } else { 3 }).collect();
    assert_eq!(head_bytes(&replica), expected);
    drop((run, replica));
    assert_eq!(head_bytes(&scratch.open()), expected);
}

#[test]
fn snapshots_reverts_and_closes_come_before_a_running_purge() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b", "c"]);
    let mut run = replica.begin_purge().unwrap().unwrap();
    assert_eq!(run.step(&replica).unwrap(), Step::More);
    take(&replica, "d");
    while run.step(&replica).unwrap() == Step::More {}
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("d")], "c had become one between others");
    assert_eq!(head_bytes(&replica), HEAD);
    mark(&replica, &["d"]);
    let mut run = replica.begin_purge().unwrap().unwrap();
    replica.revert("a", super::CREATED).unwrap();
    assert!(matches!(run.step(&replica), Err(ReplicaError::PurgeStopped { .. })));
    drop(run);
    assert!(matches!(replica.purge_status().state, PurgeState::Failed { .. }));
    let mut run = replica.begin_purge().unwrap().unwrap();
    replica.close().unwrap();
    assert!(run.step(&replica).is_err());
}

#[test]
fn a_purge_begins_when_the_run_that_was_stopped_before_it_has_ended() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b", "c"]);
    let mut stopped = replica.begin_purge().unwrap().unwrap();
    assert_eq!(stopped.step(&replica).unwrap(), Step::More);
    replica.stop_purge("another engine has taken over");
    let (asks, asked) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| {
            asks.send(()).unwrap();
            replica.begin_purge().unwrap().map(|run| {
                // Its first step meets no last one.
                assert!(matches!(replica.purge_status().state, PurgeState::Running));
                drop(run);
            })
        });
        asked.recv().unwrap();
        std::thread::yield_now();
        assert!(matches!(stopped.step(&replica), Err(ReplicaError::PurgeStopped { .. })));
        assert!(next.join().unwrap().is_some(), "it is not taken for one that runs");
    });
    drop(stopped);
    replica.purge().unwrap();
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("c")]);
}

#[test]
fn a_rebuilding_replica_is_not_purged() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    let layers = replica.layers().unwrap();
    replica.rebuild_begin(&layers).unwrap();
    assert!(matches!(replica.purge(), Err(ReplicaError::Rebuilding { .. })));
    assert!(matches!(replica.delete_removed_leaves(), Err(ReplicaError::Rebuilding { .. })));
}

#[test]
fn all_or_none_of_the_named_snapshots_exist_before_one_is_marked() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    let unknown = replica.mark_removed(&["a".to_owned(), "none".to_owned()]);
    assert!(matches!(unknown, Err(ReplicaError::SnapshotNotFound { .. })));
    assert!(replica.layers().unwrap().iter().all(|layer| !layer.removed));
}

/// A merge that was interrupted when both names were on one file, by whichever program: done by hand.
#[test]
fn one_file_under_two_names_is_recognised_and_finished() {
    let scratch = Scratch::new(8);
    let replica = staircase(&scratch);
    mark(&replica, &["b"]);
    replica.purge().unwrap();
    replica.close().unwrap();
    let file = |name: &str| scratch.dir.join(name);
    std::fs::hard_link(file(&snap("c")), file(&snap("b"))).unwrap();
    let meta = |parent: &str, removed| format!("{{\"Name\":\"x\",\"Parent\":\"{parent}\",\"Removed\":{removed}}}\n");
    std::fs::write(file(&names::meta_of(&snap("b"))), meta(&snap("a"), true)).unwrap();
    std::fs::write(file(&names::meta_of(&snap("c"))), meta(&snap("b"), false)).unwrap();
    let replica = scratch.open();
    assert_eq!(layers(&replica)[1..], [snap("a"), snap("c")]);
    assert_eq!(head_bytes(&replica), HEAD);
    assert_eq!(bytes_in(&replica, &snap("c")), [1, 2, 3, 3, 3, 3, 0, 0]);
    assert!(scratch.text(&names::meta_of(&snap("c"))).contains(&format!("\"Parent\":\"{}\"", snap("a"))));
    assert!(!scratch.listing().iter().any(|file| file.contains("snap-b")));
}

/// Writers, readers, discards and snapshots at full speed while purges run one after the other.
#[test]
fn nobody_sees_a_purge() {
    const EACH: usize = 32;
    let scratch = Scratch::new(4 * EACH);
    let replica = scratch.open();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (replica, stop) = (&replica, &stop);
            scope.spawn(move || {
                let mut round = 0_u8;
                while !stop.load(Ordering::Relaxed) {
                    round = round % 250 + 1;
                    put(replica, thread * EACH, EACH, round);
                    // Everything is written again at once, so what a discard leaves does not matter here; that it
                    // does not take anybody else's blocks does.
                    discard(replica, thread * EACH + 5, 3);
                    put(replica, thread * EACH + 5, 3, round);
                    let seen = replica.read((thread * EACH * BLOCK) as u64, (EACH * BLOCK) as u32).unwrap();
                    assert!(seen.iter().all(|byte| *byte == round), "thread {thread}, round {round}");
                }
            });
        }
        for number in 0..24 {
            take(&replica, &format!("s{number}"));
            let kept = bytes_in(&replica, &snap(&format!("s{number}")));
            if number > 0 && number % 3 != 0 {
                mark(&replica, &[&format!("s{}", number - 1)]);
            }
            replica.purge().unwrap();
            assert_eq!(bytes_in(&replica, &snap(&format!("s{number}"))), kept);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let head = head_bytes(&replica);
    drop(replica);
    assert_eq!(head_bytes(&scratch.open()), head);
}
