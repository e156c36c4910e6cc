//! What snapshots show while their volume goes on.

use std::fs;
use std::os::unix::fs::FileExt;

use super::super::{ReplicaError, SnapshotSelection};
use super::{BLOCK, CREATED, Scratch, bytes_in, filled, head_bytes, put, take};

const BYTES: u64 = BLOCK as u64;

/// The first byte of each block of a snapshot.
fn shown(replica: &super::Replica, name: &str) -> Vec<u8> {
    let content = replica.read_snapshot(name, 0, u32::try_from(replica.size()).unwrap()).unwrap();
    content.chunks(BLOCK).map(|block| block[0]).collect()
}

/// Extents in blocks, asked for `max` at a time.
fn extents(replica: &super::Replica, selection: &SnapshotSelection, max: usize) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    loop {
        let from = found.last().map_or(0, |(start, end)| (start + end) * BYTES);
        let more = replica.snapshot_extents(selection, from, max).unwrap();
        found.extend(more.iter().map(|(offset, length)| (offset / BYTES, length / BYTES)));
        if more.len() < max {
            let facts = replica.snapshot_facts(selection, 0).unwrap();
            assert_eq!(facts.selected_bytes, found.iter().map(|(_, length)| length * BYTES).sum::<u64>());
            return found;
        }
    }
}

fn since(name: &str, base: &str) -> SnapshotSelection {
    SnapshotSelection { changed_since: Some(base.to_owned()), ..SnapshotSelection::all_of(name) }
}

/// `a` holds blocks 0..4, `b` zeros block 1 and writes 6, `c` overwrites 3; the head overwrites everything.
fn layered() -> (Scratch, super::Replica) {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "a");
    replica.write_zeroes(BYTES, BYTES, false).unwrap();
    put(&replica, 6, 1, 2);
    take(&replica, "b");
    put(&replica, 3, 1, 3);
    take(&replica, "c");
    put(&replica, 0, 8, 9);
    (scratch, replica)
}

#[test]
fn content_extents_and_changes() {
    let (_scratch, replica) = layered();
    for (name, content) in
        [("a", [1, 1, 1, 1, 0, 0, 0, 0]), ("b", [1, 0, 1, 1, 0, 0, 2, 0]), ("c", [1, 0, 1, 3, 0, 0, 2, 0])]
    {
        assert_eq!(shown(&replica, name), content, "{name}");
        assert_eq!(bytes_in(&replica, &format!("volume-snap-{name}.img")), content, "{name}");
    }
    for max in 1..4 {
        assert_eq!(extents(&replica, &SnapshotSelection::all_of("c"), max), [(0, 4), (6, 1)]);
        assert_eq!(extents(&replica, &since("b", "a"), max), [(1, 1), (6, 1)], "zeros written are a change");
        assert_eq!(extents(&replica, &since("c", "a"), max), [(1, 1), (3, 1), (6, 1)]);
        assert_eq!(extents(&replica, &since("c", "b"), max), [(3, 1)]);
        assert_eq!(extents(&replica, &since("c", "c"), max), []);
    }
    let unaligned = replica.read_snapshot("c", 3 * BYTES - 5, 10).unwrap();
    assert_eq!(unaligned[..], [1, 1, 1, 1, 1, 3, 3, 3, 3, 3]);
    assert!(matches!(replica.read_snapshot("c", 8 * BYTES, 1), Err(ReplicaError::OutOfRange { .. })));
    assert_eq!(head_bytes(&replica), [9; 8]);
}

#[test]
fn what_is_removed_or_elsewhere_is_not_read() {
    let (_scratch, replica) = layered();
    let not_there = |error| matches!(error, ReplicaError::SnapshotNotFound { .. });
    assert!(not_there(replica.read_snapshot("x", 0, 1).unwrap_err()));
    assert!(not_there(replica.snapshot_extents(&since("c", "x"), 0, 9).unwrap_err()));
    let other_way = replica.snapshot_facts(&since("a", "c"), 0).unwrap_err();
    assert!(matches!(other_way, ReplicaError::NoAncestor { .. }), "{other_way}");
    assert_eq!(shown(&replica, "b")[6], 2, "its view is kept now");
    replica.remove_snapshot("b").unwrap();
    let removed = |error| matches!(error, ReplicaError::SnapshotRemoved { .. });
    assert!(removed(replica.read_snapshot("b", 0, 1).unwrap_err()));
    assert!(removed(replica.snapshot_extents(&SnapshotSelection::all_of("b"), 0, 9).unwrap_err()));
    assert!(removed(replica.snapshot_facts(&since("c", "b"), 0).unwrap_err()));
    assert_eq!(extents(&replica, &since("c", "a"), 9), [(1, 1), (3, 1), (6, 1)]);
}

#[test]
fn a_name_used_again_shows_the_new_snapshot() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    take(&replica, "base");
    put(&replica, 1, 1, 1);
    take(&replica, "s");
    assert_eq!(shown(&replica, "s"), [1, 1, 0, 0]);
    replica.revert("base", CREATED).unwrap();
    replica.remove_snapshot("s").unwrap();
    put(&replica, 2, 1, 2);
    take(&replica, "s");
    assert_eq!(shown(&replica, "s"), [1, 0, 2, 0]);
}

#[test]
fn a_merge_below_changes_nothing() {
    let (scratch, replica) = layered();
    replica.remove_snapshot("b").unwrap();
    let before = shown(&replica, "c");
    let (removed, child) = (scratch.dir.join("volume-snap-b.img"), scratch.dir.join("volume-snap-c.img"));
    // As a purge does it: what the child holds goes into the removed layer's file, and that takes the child's name.
    let file = fs::OpenOptions::new().write(true).open(&removed).unwrap();
    file.write_all_at(&filled(3, BLOCK), 3 * BYTES).unwrap();
    file.sync_all().unwrap();
    assert_eq!(shown(&replica, "c"), before);
    let second = scratch.dir.join("second");
    fs::hard_link(&removed, &second).unwrap();
    fs::rename(&second, &child).unwrap();
    assert_eq!(shown(&replica, "c"), before, "by the files that are open");
    replica.forget_snapshot_view("c").unwrap();
    assert_eq!(shown(&replica, "c"), before, "by the files that are there");
    assert_eq!(extents(&replica, &since("c", "a"), 9), [(1, 1), (3, 1), (6, 1)]);
}

#[test]
fn the_backing_file_is_data_on_request() {
    let scratch = Scratch::new(8);
    let backing = scratch.dir.parent().unwrap().join("backing");
    fs::write(&backing, [5; 3 * BLOCK]).unwrap();
    let meta = scratch.text("volume.meta");
    let with = meta.replace("\"BackingFilePath\":\"\"", &format!("\"BackingFilePath\":\"{}\"", backing.display()));
    fs::write(scratch.dir.join("volume.meta"), with).unwrap();
    let replica = scratch.open();
    put(&replica, 1, 1, 1);
    put(&replica, 6, 1, 1);
    take(&replica, "a");
    assert_eq!(shown(&replica, "a"), [5, 1, 5, 0, 0, 0, 1, 0]);
    assert_eq!(extents(&replica, &SnapshotSelection::all_of("a"), 9), [(1, 1), (6, 1)]);
    let all = SnapshotSelection { backing_file: true, ..SnapshotSelection::all_of("a") };
    assert_eq!(extents(&replica, &all, 9), [(0, 3), (6, 1)]);
    let facts = replica.snapshot_facts(&all, 2 * BYTES).unwrap();
    assert_eq!((facts.selected_bytes, facts.backing_bytes, facts.size), (2 * BYTES, 3 * BYTES, 8 * BYTES));
    assert_eq!(facts.backing_file, backing.display().to_string());
}

/// Snapshots come and go, more of them than views are kept, and the volume is written: what each shows stays.
#[test]
fn views_beside_changes_of_the_structure() {
    let (_scratch, replica) = layered();
    let expected = [("a", shown(&replica, "a")), ("b", shown(&replica, "b")), ("c", shown(&replica, "c"))];
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (replica, expected, done) = (&replica, &expected, &done);
            scope.spawn(move || {
                for turn in reader.. {
                    let (name, content) = &expected[turn % 3];
                    assert_eq!(shown(replica, name), *content, "{name}");
                    if done.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for step in 0..12_u8 {
            let name = format!("n{}", step % 6);
            take(&replica, &name);
            put(&replica, usize::from(step % 8), 1, step);
            shown(&replica, &name);
            replica.revert(if step % 2 == 0 { "c" } else { "a" }, CREATED).unwrap();
            replica.remove_snapshot(&name).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
