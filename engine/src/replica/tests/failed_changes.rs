//! Disks that fail in the middle of a change: what is known to be undone is, and where it is not known what the disk
//! holds the replica answers nothing more until it is opened again.

use nix::libc::{EIO, ENOSPC};

use super::super::{Replica, ReplicaError};
use super::{BLOCK, CREATED, Scratch, bytes_in, filled, head_bytes, put, take};
use crate::disk::fault::fail;

const SEEN: [u8; 8] = [1, 1, 2, 2, 2, 2, 0, 0];

/// `a` and `b` below a head with data.
fn layered(scratch: &Scratch) -> Replica {
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "a");
    take(&replica, "b");
    put(&replica, 2, 4, 2);
    replica
}

fn snapshot(replica: &Replica, name: &str) -> Result<(), ReplicaError> {
    replica.snapshot(name, true, CREATED, &Default::default())
}

type Change = fn(&Replica) -> Result<(), ReplicaError>;

/// Each change with the file that commits it.
const CHANGES: [(&str, Change); 5] = [
    ("volume.meta", |replica| snapshot(replica, "c")),
    ("volume.meta", |replica| replica.expand(16 * BLOCK as u64, CREATED)),
    ("volume.meta", |replica| replica.revert("a", CREATED)),
    ("volume.meta", |replica| replica.rebuild_begin(&replica.layers()?)),
    ("volume-snap-a.img.meta", |replica| replica.mark_removed(&["a".to_owned()])),
];

#[test]
fn a_rename_that_fails_has_changed_nothing() {
    for (index, (file, change)) in CHANGES.iter().enumerate() {
        for errno in [EIO, ENOSPC] {
            let scratch = Scratch::new(8);
            let replica = layered(&scratch);
            let before = scratch.listing();
            let failing = fail("rename into place", file, errno);
            change(&replica).unwrap_err();
            drop(failing);
            assert_eq!(replica.failure(), None, "change {index}");
            assert_eq!((scratch.listing(), head_bytes(&replica)), (before, SEEN.to_vec()), "change {index}");
            put(&replica, 2, 1, 2);
            drop(replica);
            let replica = scratch.open();
            assert_eq!((head_bytes(&replica), replica.layers().unwrap().len()), (SEEN.to_vec(), 3), "change {index}");
            change(&replica).unwrap_or_else(|error| panic!("change {index}: {error}"));
        }
    }
}

#[test]
fn a_rename_that_may_not_be_durable_fails_the_replica() {
    for (index, (file, change)) in CHANGES.iter().enumerate() {
        let scratch = Scratch::new(8);
        let replica = layered(&scratch);
        let failing = fail("sync the new name of", file, EIO);
        change(&replica).unwrap_err();
        drop(failing);
        assert!(replica.failure().is_some(), "change {index}");
        let refused = replica.read(0, 1);
        assert!(matches!(refused, Err(ReplicaError::Failed { .. })), "change {index}");
        drop(replica);
        let replica = scratch.open();
        if !replica.rebuilding() {
            let expected: &[u8] = if index == 2 { &[1, 1, 1, 1, 0, 0, 0, 0] } else { &SEEN };
            assert_eq!(head_bytes(&replica)[..8], *expected, "change {index}");
        }
    }
}

#[test]
fn a_close_whose_mark_may_be_on_the_disk_takes_no_more_writes() {
    let scratch = Scratch::new(8);
    let replica = layered(&scratch);
    let failing = fail("rename into place", "volume.meta", EIO);
    replica.close().unwrap_err();
    drop(failing);
    put(&replica, 2, 1, 2);
    let failing = fail("sync the new name of", "volume.meta", EIO);
    replica.close().unwrap_err();
    drop(failing);
    // The directory may say that it was closed properly; a write now would not be looked for after a crash.
    assert!(matches!(replica.write(0, &filled(9, BLOCK)), Err(ReplicaError::Failed { .. })));
    drop(replica);
    assert_eq!(head_bytes(&scratch.open()), SEEN);
}

#[test]
fn a_swap_that_fails_before_the_rename_leaves_no_second_name() {
    for (what, file) in [
        ("write", "volume-snap-b.img.meta.tmp"),
        ("make the hard link", "volume-snap-b.img.tmp"),
        ("rename into place", "volume-snap-b.img"),
    ] {
        let scratch = Scratch::new(8);
        let replica = layered(&scratch);
        replica.mark_removed(&["a".to_owned()]).unwrap();
        let before = scratch.listing();
        let failing = fail(what, file, ENOSPC);
        replica.purge().unwrap_err();
        drop(failing);
        assert_eq!((replica.failure(), scratch.listing()), (None, before), "{what}");
        assert_eq!(head_bytes(&replica), SEEN, "{what}");
        replica.purge().unwrap();
        assert_eq!((head_bytes(&replica), replica.layers().unwrap().len()), (SEEN.to_vec(), 2), "{what}");
    }
}

#[test]
fn a_swap_that_broke_off_behind_the_rename_is_finished_by_the_next_open() {
    for (what, file) in [
        ("sync the new name of", "volume-snap-b.img"),
        ("rename into place", "volume-snap-b.img.meta"),
        ("sync the new name of", "volume-snap-b.img.meta"),
    ] {
        let scratch = Scratch::new(8);
        let replica = layered(&scratch);
        replica.mark_removed(&["a".to_owned()]).unwrap();
        let failing = fail(what, file, EIO);
        replica.purge().unwrap_err();
        drop(failing);
        assert!(replica.failure().is_some(), "{what} {file}");
        drop(replica);
        let replica = scratch.open();
        assert_eq!((head_bytes(&replica), replica.layers().unwrap().len()), (SEEN.to_vec(), 2), "{what} {file}");
        assert_eq!(bytes_in(&replica, "volume-snap-b.img"), [1, 1, 1, 1, 0, 0, 0, 0], "{what} {file}");
        assert!(!scratch.listing().iter().any(|name| name.contains("snap-a") || name.ends_with(".tmp")));
    }
}

/// A discard whose outcome cannot be found out: reads by the old map would give data that is gone, or zeros for data that
/// lies below.
#[test]
fn nothing_is_read_by_a_map_that_may_be_wrong() {
    let scratch = Scratch::new(8);
    let replica = layered(&scratch);
    replica.mark_removed(&["b".to_owned(), "a".to_owned()]).unwrap();
    // The first one that a discard asks.
    let failing = fail("map the extents of", "volume-snap-a.img", EIO);
    let first = replica.discard(0, BLOCK as u64);
    drop(failing);
    assert!(first.is_err(), "it is not known what it would have to punch");
    assert_eq!((replica.failure(), head_bytes(&replica)), (None, SEEN.to_vec()), "nothing was punched yet");

    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "live");
    put(&replica, 0, 4, 2);
    take(&replica, "removed");
    put(&replica, 0, 1, 3);
    replica.mark_removed(&["removed".to_owned()]).unwrap();
    let failing = fail("map the extents of", "volume-snap-live.img", EIO);
    replica.discard(0, 2 * BLOCK as u64).unwrap_err();
    drop(failing);
    let why = replica.failure().unwrap();
    assert!(why.contains("which blocks") && why.contains("volume-snap-live.img"), "{why}");
    assert!(matches!(replica.read(BLOCK as u64, 1), Err(ReplicaError::Failed { .. })));
    assert!(matches!(snapshot(&replica, "s"), Err(ReplicaError::Failed { .. })));
    assert!(replica.close().is_err());
    drop(replica);
    let replica = scratch.open();
    assert!(replica.was_dirty());
    assert_eq!(head_bytes(&replica), [3, 1, 2, 2, 0, 0, 0, 0], "the discard broke off before the head");
}

#[test]
fn a_head_that_does_not_answer_after_a_failed_write_is_not_read() {
    let scratch = Scratch::new(8);
    let replica = layered(&scratch);
    let failing = [fail("write", "volume-head-002.img", EIO), fail("map the extents of", "volume-head-002.img", EIO)];
    replica.write(6 * BLOCK as u64, &filled(9, BLOCK)).unwrap_err();
    drop(failing);
    assert!(replica.failure().is_some());
    assert!(matches!(replica.read(0, 1), Err(ReplicaError::Failed { .. })));
    drop(replica);
    assert_eq!(head_bytes(&scratch.open()), SEEN);
}

#[test]
fn a_fill_in_a_failed_or_closed_directory_is_left_alone() {
    let unfinished = "volume-snap-s.img.snap_tmp";
    let has = |scratch: &Scratch| scratch.listing().iter().any(|name| name == unfinished);
    let begun = |scratch: &Scratch| {
        let replica = scratch.open();
        replica.fill_begin("id", "s", 8 * BLOCK as u64).unwrap();
        replica
    };
    let scratch = Scratch::new(8);
    let replica = begun(&scratch);
    let failing = fail("sync the new name of", "volume.meta", EIO);
    snapshot(&replica, "x").unwrap_err();
    drop(failing);
    assert!(matches!(replica.fill_abort("id"), Err(ReplicaError::Failed { .. })));
    assert!(matches!(replica.give_up_fill(), Err(ReplicaError::Failed { .. })));
    assert!(has(&scratch));

    let scratch = Scratch::new(8);
    let replica = begun(&scratch);
    replica.abandon();
    // Another process may fill there now.
    let other = begun(&scratch);
    assert!(matches!(replica.fill_abort("id"), Err(ReplicaError::Closed)));
    assert!(matches!(replica.give_up_fill(), Err(ReplicaError::Closed)));
    assert!(has(&scratch));
    other.fill_finish("id", CREATED).unwrap();
}
