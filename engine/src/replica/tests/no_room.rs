//! Every change of the structure with no free block, one, two, … until there are enough: what is refused has changed
//! nothing, and the replica goes on.

use std::path::{Path, PathBuf};

use super::super::{OpenOptions, Replica, ReplicaError};
use super::small_disk::{Ballast, SmallDisk};
use super::{BLOCK, CREATED, bytes_in, filled, head_bytes, listing, put, take};

const BLOCKS: usize = 8;
/// No change of so small a volume takes more.
const MOST_FREE: u64 = 12;

fn prepared(disk: &SmallDisk, name: &str) -> (PathBuf, Replica) {
    let dir = disk.mount_point.join(name);
    Replica::create(&dir, (BLOCKS * BLOCK) as u64, OpenOptions::default()).unwrap();
    let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
    (dir, replica)
}

/// Two snapshots and data in the head; the upper one holds nothing.
fn with_layers(replica: &Replica) {
    put(replica, 0, 4, 1);
    take(replica, "a");
    take(replica, "b");
    put(replica, 2, 4, 2);
}

/// Small files with their content, all others by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let content =
        |name: &String| if name.ends_with(".img") { Vec::new() } else { std::fs::read(dir.join(name)).unwrap() };
    listing(dir).into_iter().map(|name| (name.clone(), content(&name))).collect()
}

/// Returns how many free blocks `change` took.
fn refused_until_there_is_room(
    ballast: &mut Ballast,
    dir: &Path,
    replica: &Replica,
    change: impl Fn() -> Result<(), ReplicaError>,
) -> u64 {
    for free in 0..=MOST_FREE {
        ballast.leave(free);
        let (before, seen) = (files(dir), head_bytes(replica));
        let Err(error) = change() else { return free };
        assert!(matches!(error.cause(), ReplicaError::NoSpace { .. }), "{free} blocks free: {error}");
        assert!(error.to_string().contains("nothing has changed"), "{free} blocks free: {error}");
        assert_eq!(replica.failure(), None, "{free} blocks free");
        assert_eq!(files(dir), before, "{free} blocks free");
        assert_eq!(head_bytes(replica), seen, "{free} blocks free");
        // Over what it holds.
        put(replica, 2, 1, 2);
    }
    panic!("it does not take {MOST_FREE} blocks");
}

type Change = fn(&Replica) -> Result<(), ReplicaError>;

fn reopened(dir: &Path, replica: Replica) -> Replica {
    drop(replica);
    Replica::open(dir, OpenOptions::default()).unwrap()
}

#[test]
fn a_change_without_room_is_refused_and_the_replica_goes_on() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let names = ["snapshot", "expansion", "revert", "mark"];
    let mut replicas = names.map(|name| prepared(&disk, name));
    replicas.iter().for_each(|(_, replica)| with_layers(replica));
    let mut ballast = Ballast::on(&disk);
    let changes: [Change; 4] = [
        |replica| replica.snapshot("c", true, CREATED, &Default::default()),
        |replica| replica.expand((2 * BLOCKS * BLOCK) as u64, CREATED),
        |replica| replica.revert("a", CREATED),
        |replica| replica.mark_removed(&["a".to_owned(), "b".to_owned()]),
    ];
    let after: [&[u8]; 4] = [
        &[1, 1, 2, 2, 2, 2, 0, 0],
        &[1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 1, 1, 1, 0, 0, 0, 0],
        &[1, 1, 2, 2, 2, 2, 0, 0],
    ];
    for (((dir, replica), change), after) in replicas.iter_mut().zip(changes).zip(after) {
        let refused = refused_until_there_is_room(&mut ballast, dir, replica, || change(replica));
        assert!(refused > 0, "{}: with no space at all it is refused", dir.display());
        assert_eq!(head_bytes(replica), after, "{}", dir.display());
    }
    ballast.leave(64);
    for ((dir, replica), after) in replicas.into_iter().zip(after) {
        assert_eq!(head_bytes(&reopened(&dir, replica)), after, "{}", dir.display());
    }
}

#[test]
fn a_purge_without_room_leaves_the_layers_as_they_are() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let (dir, replica) = prepared(&disk, "purge");
    with_layers(&replica);
    replica.mark_removed(&["a".to_owned()]).unwrap();
    let mut ballast = Ballast::on(&disk);
    ballast.leave(0);
    // There is nothing to copy: the swap is what finds no room.
    let before = files(&dir);
    let error = replica.purge().unwrap_err();
    assert!(matches!(error.cause(), ReplicaError::NoSpace { .. }), "{error}");
    assert_eq!((replica.failure(), files(&dir)), (None, before));
    assert_eq!(head_bytes(&replica), [1, 1, 2, 2, 2, 2, 0, 0]);
    ballast.leave(8);
    replica.purge().unwrap();
    let check = |replica: &Replica| {
        assert_eq!(replica.layers().unwrap().len(), 2);
        assert_eq!(head_bytes(replica), [1, 1, 2, 2, 2, 2, 0, 0]);
        assert_eq!(bytes_in(replica, "volume-snap-b.img"), [1, 1, 1, 1, 0, 0, 0, 0]);
    };
    check(&replica);
    check(&reopened(&dir, replica));
}

#[test]
fn a_rebuild_without_room_does_not_begin() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let (dir, replica) = prepared(&disk, "rebuild");
    with_layers(&replica);
    let layers = replica.layers().unwrap();
    let mut ballast = Ballast::on(&disk);
    ballast.leave(0);
    let before = files(&dir);
    let error = replica.rebuild_begin(&layers).unwrap_err();
    assert!(error.to_string().contains("nothing has changed"), "{error}");
    assert_eq!((replica.failure(), replica.rebuilding(), files(&dir)), (None, false, before));
    assert_eq!(head_bytes(&replica), [1, 1, 2, 2, 2, 2, 0, 0]);
    // Whatever it stops at later, it can be begun again.
    for free in 1.. {
        ballast.leave(free);
        match replica.rebuild_begin(&layers) {
            Ok(()) => break,
            Err(error) => assert!(matches!(error.cause(), ReplicaError::NoSpace { .. }), "{free} blocks free: {error}"),
        }
        assert_eq!(replica.failure(), None, "{free} blocks free");
        assert!(free < MOST_FREE);
    }
    replica.rebuild_finish().unwrap();
    assert_eq!(head_bytes(&replica), [0; BLOCKS]);
}

#[test]
fn a_fill_without_room_leaves_the_volume_empty() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let (dir, replica) = prepared(&disk, "fill");
    let size = (BLOCKS * BLOCK) as u64;
    let mut ballast = Ballast::on(&disk);
    let before = files(&dir);
    for free in 0.. {
        replica.fill_begin("id", "s", size).unwrap();
        replica.fill_write("id", 0, &filled(5, BLOCK)).unwrap();
        ballast.leave(free);
        let outcome = replica.fill_finish("id", CREATED);
        assert_eq!(replica.failure(), None, "{free} blocks free");
        let Err(error) = outcome else {
            assert!(free > 0, "with no space at all it is refused");
            break;
        };
        assert!(matches!(error.cause(), ReplicaError::NoSpace { .. }), "{free} blocks free: {error}");
        assert_eq!((files(&dir), head_bytes(&replica)), (before.clone(), vec![0; BLOCKS]), "{free} blocks free");
        assert!(free < MOST_FREE);
        ballast.leave(8);
    }
    assert_eq!(head_bytes(&replica), [5, 0, 0, 0, 0, 0, 0, 0]);
}
