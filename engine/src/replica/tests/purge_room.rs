//! A purge on a disk that is nearly full: what volumes write comes first.
//!
//! Needs root: the small disk is an image file mounted through a loop device.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::fcntl::{FallocateFlags, fallocate};

use super::super::purge::Step;
use super::super::{OpenOptions, PurgeState, ReplicaError};
use super::small_disk::SmallDisk;
use super::{BLOCK, CREATED, Replica, filled, put, take};

const BLOCKS: usize = 4096;
const MIB: u64 = 1 << 20;
/// An eighth of a disk of 16 MiB, rounded up.
const RESERVE: u64 = 2 * MIB;
const REMOVED: &str = "volume-snap-b.img";

/// ```text
///   a ◄── b (removed) ◄── c ◄── head
/// ```
struct Nearly {
    disk: SmallDisk,
    dir: PathBuf,
}

impl Nearly {
    /// With blocks of `b` and of `c`; none where there is no root.
    fn with(b: impl Iterator<Item = usize>, c: impl Iterator<Item = usize>) -> Option<(Self, Replica)> {
        let disk = SmallDisk::mounted()?;
        let dir = disk.mount_point.join("replica");
        Replica::create(&dir, (BLOCKS * BLOCK) as u64, OpenOptions::default()).unwrap();
        let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
        put(&replica, 0, 16, 1);
        take(&replica, "a");
        b.for_each(|block| put(&replica, block, 1, 2));
        take(&replica, "b");
        c.for_each(|block| put(&replica, block, 1, 3));
        take(&replica, "c");
        put(&replica, 0, 1, 4);
        replica.mark_removed(&["b".to_owned()]).unwrap();
        replica.flush().unwrap();
        Some((Self { disk, dir }, replica))
    }

    fn free(&self) -> u64 {
        let facts = nix::sys::statvfs::statvfs(&self.dir).unwrap();
        facts.blocks_available() as u64 * facts.fragment_size() as u64
    }

    /// Somebody else takes the disk but for `left` bytes.
    fn fill(&self, left: u64) {
        let file = std::fs::File::create(self.disk.mount_point.join("filler")).unwrap();
        let bytes = i64::try_from(self.free() - left).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, bytes).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.disk.mount_point.join("filler")).unwrap();
    }
}

fn content(replica: &Replica) -> Vec<u8> {
    replica.read(0, (BLOCKS * BLOCK) as u32).unwrap().to_vec()
}

fn held(replica: &Replica, file: &str) -> u64 {
    replica.layer_extents(file, 0, usize::MAX).unwrap().iter().map(|(_, length)| length).sum()
}

fn has(replica: &Replica, file: &str) -> bool {
    replica.layers().unwrap().iter().any(|layer| layer.file_name == file)
}

#[test]
fn a_merge_that_does_not_fit_is_not_begun() {
    let Some((disk, replica)) = Nearly::with(0..1, 1024..2048) else { return };
    let (before, held_before) = (content(&replica), held(&replica, REMOVED));
    // It fits on the disk, but not beside the reserve.
    disk.fill(4 * MIB + RESERVE / 2);
    let free = disk.free();
    let refused = replica.purge().unwrap_err();
    let ReplicaError::NoRoomToPurge { needed_bytes, reserve_bytes, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*needed_bytes, 4 * MIB);
    assert!((RESERVE / 2..=RESERVE).contains(reserve_bytes), "{refused}");
    assert!(matches!(replica.purge_status().state, PurgeState::Failed { error } if error.contains("purge again")));
    assert_eq!((disk.free(), held(&replica, REMOVED)), (free, held_before));
    disk.empty();
    replica.purge().unwrap();
    assert!(!has(&replica, REMOVED));
    assert!(content(&replica) == before);
}

#[test]
fn a_merge_that_takes_nothing_new_goes_on_though_the_disk_is_nearly_full() {
    let Some((disk, replica)) = Nearly::with(1024..2048, 1024..2048) else { return };
    let before = content(&replica);
    disk.fill(RESERVE / 4);
    let free = disk.free();
    replica.purge().unwrap();
    assert!(!has(&replica, REMOVED));
    assert!(disk.free() >= free + 4 * MIB, "the disk has got the space of one layer back");
    assert!(content(&replica) == before);
}

#[test]
fn a_copy_is_given_back_in_steps_when_the_disk_fills_up() {
    let scattered = || (16..16 + 2 * 700).step_by(2);
    let Some((disk, replica)) = Nearly::with(0..1, scattered()) else { return };
    let held_before = held(&replica, REMOVED);
    let mut run = replica.begin_purge().unwrap().unwrap();
    // The choice, the measurement, and two pieces of the copy.
    for _ in 0..4 {
        assert_eq!(run.step(&replica).unwrap(), Step::More);
    }
    let copied = held(&replica, REMOVED) - held_before;
    assert_eq!(copied, 2 * MIB);
    disk.fill(RESERVE / 2);
    let mut seen = vec![held(&replica, REMOVED)];
    let outcome = loop {
        match run.step(&replica) {
            Ok(Step::More) => seen.push(held(&replica, REMOVED)),
            other => break other,
        }
        // Live writes get what is kept for them, and so does a barrier between two steps.
        replica.write((3000 * BLOCK) as u64, &filled(9, BLOCK)).unwrap();
        if seen.len() == 3 {
            replica.snapshot("between", true, CREATED, &BTreeMap::new()).unwrap();
        }
    };
    assert!(matches!(outcome, Err(ReplicaError::NoRoomToPurge { .. })), "{outcome:?}");
    assert!(seen.iter().any(|&now| now > held_before && now < held_before + copied), "not all at once: {seen:?}");
    assert_eq!(held(&replica, REMOVED), held_before);
    let before = content(&replica);
    disk.empty();
    drop(run);
    replica.purge().unwrap();
    assert!(!has(&replica, REMOVED));
    assert!(content(&replica) == before);
    drop(replica);
    let replica = Replica::open(&disk.dir, OpenOptions::default()).unwrap();
    assert!(content(&replica) == before);
}
