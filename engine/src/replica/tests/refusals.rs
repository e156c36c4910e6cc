//! Requests that must fail, say why, and change nothing.

use std::collections::BTreeMap;

use super::super::{OpenOptions, Replica, ReplicaError, delete_directory};
use super::{BLOCK, CREATED, Scratch, filled, head_bytes, listing, put, take};

#[test]
fn a_second_owner() {
    let scratch = Scratch::new(4);
    let first = scratch.open();
    assert!(matches!(Replica::open(&scratch.dir, scratch.options), Err(ReplicaError::InUse { .. })));
    assert!(matches!(delete_directory(&scratch.dir), Err(ReplicaError::InUse { .. })));
    put(&first, 0, 1, 7);
    first.close().unwrap();
    assert!(matches!(first.read(0, 1), Err(ReplicaError::Closed)));
    assert!(matches!(first.close(), Err(ReplicaError::Closed)));
    assert_eq!(head_bytes(&scratch.open()), [7, 0, 0, 0]);
}

#[test]
fn an_open_waits_for_the_writes_of_a_killed_owner() {
    let scratch = Scratch::new(4);
    // As the kernel holds the head while it works on a write of a process that is gone.
    let late = std::fs::File::options().write(true).open(scratch.dir.join("volume-head-000.img")).unwrap();
    late.lock().unwrap();
    let opening = std::thread::spawn({
        let (dir, options) = (scratch.dir.clone(), scratch.options);
        move || Replica::open(&dir, options)
    });
    // Time for an open that does not wait to read an empty map.
    std::thread::sleep(std::time::Duration::from_millis(100));
    std::os::unix::fs::FileExt::write_all_at(&late, &[7; BLOCK], 2 * BLOCK as u64).unwrap();
    drop(late);
    assert_eq!(head_bytes(&opening.join().unwrap().unwrap()), [0, 0, 7, 0]);
}

#[test]
fn creation_over_something() {
    let scratch = Scratch::new(4);
    let before = scratch.text("volume-head-000.img.meta");
    let again = || Replica::create(&scratch.dir, 8192, scratch.options);
    assert!(matches!(again(), Err(ReplicaError::AlreadyExists { .. })));
    // Without volume.meta, an image with data still is somebody's volume.
    let replica = scratch.open();
    put(&replica, 0, 1, 7);
    replica.close().unwrap();
    std::fs::remove_file(scratch.dir.join("volume.meta")).unwrap();
    assert!(matches!(again(), Err(ReplicaError::AlreadyExists { .. })));
    assert_eq!(scratch.text("volume-head-000.img.meta"), before);
    assert!(matches!(Replica::create(&scratch.dir, 0, scratch.options), Err(ReplicaError::InvalidSize { .. })));
    assert!(matches!(Replica::create(&scratch.dir, 4095, scratch.options), Err(ReplicaError::InvalidSize { .. })));
}

#[test]
fn a_corrupt_directory_is_left_as_it_is() {
    let root = Scratch::root();
    let missing = root.path().join("none");
    assert!(matches!(Replica::open(&missing, OpenOptions::default()), Err(ReplicaError::NotFound { .. })));
    let good = "{\"Size\":16384,\"Head\":\"volume-head-001.img\",\"Dirty\":false,\"Rebuilding\":false,\"Error\":\"\",\"Parent\":\"volume-snap-s.img\",\"SectorSize\":512,\"BackingFilePath\":\"\",\"Encrypted\":false}\n";
    let breakages: [(&str, &str, Option<String>); 7] = [
        ("volume.meta", "cut short", Some(good[..60].to_owned())),
        ("volume.meta", "another size", Some(good.replace("16384", "20480"))),
        ("volume.meta", "a head elsewhere", Some(good.replace("volume-head-001.img", "../volume-head-001.img"))),
        ("volume.meta", "size zero", Some(good.replace("16384", "0"))),
        ("volume-snap-s.img.meta", "missing record", None),
        ("volume-snap-s.img", "missing image", None),
        ("aurochs.state", "not JSON", Some("{".to_owned())),
    ];
    for (file, what, content) in breakages {
        let scratch = Scratch::new(4);
        let replica = scratch.open();
        take(&replica, "s");
        replica.close().unwrap();
        assert_eq!(scratch.text("volume.meta"), good);
        let path = scratch.dir.join(file);
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let before: Vec<_> =
            scratch.listing().iter().map(|file| std::fs::read(scratch.dir.join(file)).unwrap()).collect();
        let error = Replica::open(&scratch.dir, scratch.options).unwrap_err();
        let expected = matches!(error, ReplicaError::Corrupt { .. } | ReplicaError::Io { .. });
        assert!(expected && error.to_string().contains(file.trim_end_matches(".meta")), "{what}: {error}");
        let after: Vec<_> =
            scratch.listing().iter().map(|file| std::fs::read(scratch.dir.join(file)).unwrap()).collect();
        assert_eq!(before, after, "{what}");
    }
}

#[test]
fn a_lost_volume_meta_is_made_from_the_only_head() {
    for content in [None, Some("")] {
        let scratch = Scratch::new(4);
        let replica = scratch.open();
        put(&replica, 1, 1, 7);
        take(&replica, "s");
        replica.close().unwrap();
        let good = scratch.text("volume.meta");
        let path = scratch.dir.join("volume.meta");
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let replica = scratch.open();
        assert!(replica.was_dirty());
        assert_eq!(head_bytes(&replica), [0, 7, 0, 0]);
        replica.close().unwrap();
        assert_eq!(scratch.text("volume.meta"), good);
        // With a second head the choice could lose data.
        std::fs::copy(scratch.dir.join("volume-head-001.img"), scratch.dir.join("volume-head-002.img")).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Replica::open(&scratch.dir, scratch.options), Err(ReplicaError::Corrupt { .. })));
    }
}

#[test]
fn requests_outside_the_volume() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    let out = |error: ReplicaError| matches!(error, ReplicaError::OutOfRange { .. });
    assert!(out(replica.read(4 * 4096, 1).unwrap_err()));
    assert!(out(replica.read(u64::MAX, 2).unwrap_err()));
    assert!(out(replica.write(4 * 4096 - 1, &filled(1, 2)).unwrap_err()));
    assert!(out(replica.write_zeroes(0, u64::MAX, true).unwrap_err()));
    assert!(out(replica.discard(1, 4 * 4096).unwrap_err()));
    assert!(replica.read(4 * 4096, 0).unwrap().is_empty());
    assert_eq!(head_bytes(&replica), [0; 4]);
}

#[test]
fn snapshots_that_cannot_be() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    take(&replica, "s");
    put(&replica, 0, 1, 2);
    let before = scratch.listing();
    let snapshot = |name: &str| replica.snapshot(name, true, CREATED, &BTreeMap::new());
    assert!(matches!(snapshot("s"), Err(ReplicaError::SnapshotExists { .. })));
    assert!(snapshot("s").unwrap_err().to_string().contains("already existing"));
    assert!(matches!(snapshot("../s"), Err(ReplicaError::InvalidName { .. })));
    assert!(matches!(replica.revert("t", CREATED), Err(ReplicaError::SnapshotNotFound { .. })));
    assert!(matches!(replica.remove_snapshot("t"), Err(ReplicaError::SnapshotNotFound { .. })));
    replica.remove_snapshot("s").unwrap();
    assert!(matches!(replica.revert("s", CREATED), Err(ReplicaError::SnapshotRemoved { .. })));
    assert_eq!(scratch.listing(), before);
    assert_eq!(head_bytes(&replica), [2, 0, 0, 0]);
    assert_eq!(super::bytes_in(&replica, "volume-snap-s.img"), [1, 0, 0, 0]);
}

#[test]
fn no_chain_beyond_250_images() {
    let scratch = Scratch::new(1);
    let replica = scratch.open();
    for index in 0..249 {
        take(&replica, &index.to_string());
    }
    let error = replica.snapshot("one more", true, CREATED, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, ReplicaError::ChainTooLong { count: 251, limit: 250 }), "{error}");
    replica.close().unwrap();
    assert_eq!(scratch.open().layers().unwrap().len(), 250);
}

#[test]
fn older_epochs_even_after_a_crash() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    assert_eq!((replica.fence().epoch, replica.fence().previous_boot_id), (0, None));
    replica.raise_fence(5, 3).unwrap();
    drop(replica);
    let replica = scratch.open();
    let fence = replica.fence();
    assert_eq!((fence.epoch, fence.generation), (5, 3));
    assert_eq!(fence.previous_boot_id, Some(fence.boot_id));
    assert!(matches!(replica.raise_fence(4, 9), Err(ReplicaError::StaleEpoch { offered: 4, seen: 5 })));
    assert_eq!(replica.fence().epoch, 5);
}

#[test]
fn deletion_keeps_what_is_not_the_replicas() {
    let scratch = Scratch::with(4, OpenOptions { revision_counter: true, ..OpenOptions::default() });
    let replica = scratch.open();
    take(&replica, "s");
    replica.close().unwrap();
    std::fs::write(scratch.dir.join("volume-snap-s.img.checksum"), "{}").unwrap();
    std::fs::write(scratch.dir.join("notes.txt"), "mine").unwrap();
    let error = delete_directory(&scratch.dir).unwrap_err();
    assert!(matches!(&error, ReplicaError::NotEmpty { left, .. } if left == "notes.txt"), "{error}");
    assert_eq!(listing(&scratch.dir), ["notes.txt"]);
    std::fs::remove_file(scratch.dir.join("notes.txt")).unwrap();
    delete_directory(&scratch.dir).unwrap();
    assert!(!scratch.dir.exists());
}

#[test]
fn memory_file_systems() {
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let dir = root.path().join("replica");
    let created = Replica::create(&dir, 4 * BLOCK as u64, OpenOptions::default());
    let error = created.and_then(|()| Replica::open(&dir, OpenOptions::default()).map(drop)).unwrap_err();
    assert!(error.to_string().contains("ext4 or XFS"), "{error}");
}
