//! A full disk is said to be full, undoes what it stopped, and leaves a replica that reads the same after a reopen.

use super::super::{OpenOptions, Replica, ReplicaError};
use super::small_disk::SmallDisk;
use super::{BLOCK, CREATED, filled};
use std::collections::BTreeMap;

/// Four times of what the disk holds.
const VOLUME_BLOCKS: usize = 16 << 10;

#[test]
fn writes_and_snapshots_on_a_full_disk() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let dir = disk.mount_point.join("replica");
    Replica::create(&dir, (VOLUME_BLOCKS * BLOCK) as u64, OpenOptions::default()).unwrap();
    let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
    replica.write(0, &filled(1, 64 * BLOCK)).unwrap();
    replica.snapshot("s", true, CREATED, &BTreeMap::new()).unwrap();

    let piece = 64 * BLOCK;
    let full_at =
        (0..VOLUME_BLOCKS / 64).find(|index| match replica.write((index * piece) as u64, &filled(2, piece)) {
            Ok(()) => false,
            Err(ReplicaError::NoSpace { .. }) => true,
            Err(other) => panic!("{other}"),
        });
    let full_at = full_at.unwrap() * piece;
    // The last free blocks go too, so that not even a small file fits.
    let mut at = full_at;
    while replica.write(at as u64, &filled(2, BLOCK)).is_ok() {
        at += BLOCK;
    }
    let files = super::listing(&dir);
    let error = replica.snapshot("t", true, CREATED, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error.cause(), ReplicaError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("no space left on device"));
    assert_eq!(super::listing(&dir), files);

    let checked = u32::try_from(full_at + 2 * piece).unwrap();
    let before = replica.checksum(0, checked).unwrap();
    assert!(replica.read(0, u32::try_from(full_at).unwrap()).unwrap().iter().all(|&byte| byte == 2));

    // With some space back it goes on.
    assert_eq!(replica.discard(0, piece as u64).unwrap(), piece as u64);
    assert!(replica.read(0, u32::try_from(piece).unwrap()).unwrap().iter().all(|&byte| byte == 1));
    replica.write(0, &filled(2, piece)).unwrap();
    assert_eq!(replica.checksum(0, checked).unwrap(), before);
    replica.discard(0, piece as u64).unwrap();
    replica.snapshot("t", true, CREATED, &BTreeMap::new()).unwrap();
    let now = replica.checksum(0, checked).unwrap();
    replica.close().unwrap();
    drop(replica);
    let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
    assert_eq!(replica.checksum(0, checked).unwrap(), now);
    drop(replica);
}
