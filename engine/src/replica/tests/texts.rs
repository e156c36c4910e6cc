//! The files of a directory are Longhorn's, byte for byte.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use super::super::OpenOptions;
use super::{CREATED, Scratch, put, take};

#[test]
fn a_new_replica() {
    let scratch = Scratch::with(4096, OpenOptions { revision_counter: true, ..OpenOptions::default() });
    let files = ["revision.counter", "volume-head-000.img", "volume-head-000.img.meta", "volume.meta"];
    assert_eq!(scratch.listing(), files);
    assert_eq!(
        scratch.text("volume.meta"),
        "{\"Size\":16777216,\"Head\":\"volume-head-000.img\",\"Dirty\":false,\"Rebuilding\":false,\"Error\":\"\",\"Parent\":\"\",\"SectorSize\":512,\"BackingFilePath\":\"\",\"Encrypted\":false}\n"
    );
    let head = scratch.text("volume-head-000.img.meta");
    let (before, rest) = head.split_once("\"Created\":\"").unwrap();
    assert_eq!(before, "{\"Name\":\"volume-head-000.img\",\"Parent\":\"\",\"Removed\":false,\"UserCreated\":false,");
    let (created, after) = rest.split_once('"').unwrap();
    assert!(created.len() == CREATED.len() && created.ends_with('Z'), "{created}");
    assert_eq!(after, ",\"Labels\":null}\n");
    let mode = |file: &str| std::fs::metadata(scratch.dir.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("revision.counter"), mode("volume.meta")), (0o700, 0o600, 0o644));
    assert_eq!(mode("volume-head-000.img"), 0o644);
}

#[test]
fn dirty_from_open_to_close() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    assert!(!replica.was_dirty() && scratch.text("volume.meta").contains("\"Dirty\":true"));
    replica.close().unwrap();
    assert!(scratch.text("volume.meta").contains("\"Dirty\":false"));
    drop(scratch.open());
    assert!(scratch.open().was_dirty());
}

#[test]
fn snapshots_and_reverts() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    let first = scratch.text("volume-head-000.img.meta");
    let labels = BTreeMap::from([("owner".to_owned(), "a<b".to_owned()), ("Job".to_owned(), "x".to_owned())]);
    replica.snapshot("one", true, CREATED, &labels).unwrap();
    assert_eq!(
        scratch.listing(),
        [
            "aurochs.state",
            "volume-head-001.img",
            "volume-head-001.img.meta",
            "volume-snap-one.img",
            "volume-snap-one.img.meta",
            "volume.meta"
        ]
    );
    // The snapshot keeps the name its metadata had as the head.
    assert_eq!(
        scratch.text("volume-snap-one.img.meta"),
        "{\"Name\":\"volume-head-000.img\",\"Parent\":\"\",\"Removed\":false,\"UserCreated\":true,\"Created\":\"2026-11-21T02:06:49Z\",\"Labels\":{\"Job\":\"x\",\"owner\":\"a\\u003cb\"}}\n"
    );
    assert!(first.contains("UserCreated\":false"));
    assert_eq!(
        scratch.text("volume-head-001.img.meta"),
        "{\"Name\":\"volume-head-001.img\",\"Parent\":\"volume-snap-one.img\",\"Removed\":false,\"UserCreated\":false,\"Created\":\"2026-11-21T02:06:49Z\",\"Labels\":null}\n"
    );
    assert_eq!(
        scratch.text("volume.meta"),
        "{\"Size\":16384,\"Head\":\"volume-head-001.img\",\"Dirty\":true,\"Rebuilding\":false,\"Error\":\"\",\"Parent\":\"volume-snap-one.img\",\"SectorSize\":512,\"BackingFilePath\":\"\",\"Encrypted\":false}\n"
    );
    take(&replica, "two");
    replica.revert("one", "2027-01-01T00:00:00Z").unwrap();
    assert_eq!(
        scratch.text("volume-head-003.img.meta"),
        "{\"Name\":\"volume-head-003.img\",\"Parent\":\"volume-snap-one.img\",\"Removed\":false,\"UserCreated\":false,\"Created\":\"2027-01-01T00:00:00Z\",\"Labels\":null}\n"
    );
    assert!(!scratch.listing().iter().any(|file| file.starts_with("volume-head-002")));
    replica.remove_snapshot("one").unwrap();
    assert_eq!(
        scratch.text("volume-snap-one.img.meta"),
        "{\"Name\":\"volume-snap-one.img\",\"Parent\":\"\",\"Removed\":true,\"UserCreated\":true,\"Created\":\"2026-11-21T02:06:49Z\",\"Labels\":{\"Job\":\"x\",\"owner\":\"a\\u003cb\"}}\n"
    );
    replica.remove_snapshot("two").unwrap();
    assert!(!scratch.listing().iter().any(|file| file.contains("two")), "a leaf goes at once");
    assert!(scratch.listing().iter().any(|file| file.contains("one")), "the head stands on it");
}

#[test]
fn removed_ancestors_go_with_the_last_leaf() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    for name in ["base", "left", "leaf"] {
        take(&replica, name);
    }
    replica.revert("base", CREATED).unwrap();
    replica.remove_snapshot("left").unwrap();
    assert!(scratch.listing().iter().any(|file| file.contains("left")), "leaf stands on it");
    replica.remove_snapshot("leaf").unwrap();
    let snapshots: Vec<_> = replica.layers().unwrap().into_iter().map(|layer| layer.file_name).collect();
    assert_eq!(snapshots, ["volume-head-004.img", "volume-snap-base.img"]);
    assert!(!scratch.listing().iter().any(|file| file.contains("left") || file.contains("leaf")));
}

#[test]
fn the_revision_counter_is_stored_at_flush_and_close() {
    let scratch = Scratch::with(4, OpenOptions { revision_counter: true, ..OpenOptions::default() });
    let counted = || scratch.text("revision.counter").trim_matches('\0').to_owned();
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    replica.discard(0, 100).unwrap();
    replica.flush().unwrap();
    assert_eq!((counted(), scratch.text("revision.counter").len()), ("2".to_owned(), 4096));
    put(&replica, 0, 1, 1);
    replica.close().unwrap();
    assert_eq!(counted(), "3");
    assert_eq!(scratch.open().revision_counter(), Some(3));
}
