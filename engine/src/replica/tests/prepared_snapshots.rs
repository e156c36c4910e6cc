//! A snapshot that was made ready while writes went on is the same as one that was not, and leaves nothing where it is
//! not taken.

use std::collections::BTreeMap;

use nix::libc::EIO;

use super::super::Replica;
use super::{CREATED, Scratch, bytes_in, head_bytes, put, take};
use crate::disk::fault::fail;

fn prepare(replica: &Replica, name: &str) {
    replica.prepare_snapshot(name, true, CREATED, &BTreeMap::new()).unwrap();
}

/// What stands in the directory after these writes, a snapshot and a close.
fn taken(with_preparation: bool) -> Vec<(String, String)> {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 2, 1);
    if with_preparation {
        prepare(&replica, "s");
    }
    put(&replica, 1, 2, 2);
    take(&replica, "s");
    put(&replica, 3, 1, 3);
    assert_eq!(bytes_in(&replica, "volume-snap-s.img"), [1, 2, 2, 0], "with what was written after the preparation");
    assert_eq!(head_bytes(&replica), [1, 2, 2, 3]);
    replica.close().unwrap();
    let texts = |file: String| {
        let text = if file.ends_with(".meta") { scratch.text(&file) } else { String::new() };
        (file, text)
    };
    scratch.listing().into_iter().map(texts).collect()
}

#[test]
fn it_is_the_snapshot_that_it_would_be_without() {
    assert_eq!(taken(true), taken(false));
}

#[test]
fn what_is_not_taken_leaves_nothing() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 2, 1);
    replica.flush().unwrap();
    let before = scratch.listing();
    // Another name, another change, a close, a process that ends.
    prepare(&replica, "a");
    prepare(&replica, "b");
    assert!(!scratch.listing().iter().any(|file| file.contains("snap-a")), "{:?}", scratch.listing());
    assert!(replica.revert("nothing", CREATED).is_err());
    replica.mark_removed(&[]).unwrap();
    assert_eq!(scratch.listing(), before);
    prepare(&replica, "c");
    replica.close().unwrap();
    assert_eq!(scratch.listing(), before);
    let replica = scratch.open();
    prepare(&replica, "d");
    put(&replica, 1, 1, 2);
    replica.abandon();
    let replica = scratch.open();
    assert_eq!((scratch.listing(), head_bytes(&replica)), (before, vec![1, 2, 0, 0]));
    assert_eq!(replica.layers().unwrap().len(), 1);
}

#[test]
fn one_of_another_name_or_with_other_labels_is_taken_as_asked() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    prepare(&replica, "a");
    take(&replica, "b");
    prepare(&replica, "c");
    let labels = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    replica.snapshot("c", false, CREATED, &labels).unwrap();
    let layers = replica.layers().unwrap();
    let names: Vec<&str> = layers.iter().map(|layer| layer.file_name.as_str()).collect();
    assert_eq!(names, [&replica.head_file(), "volume-snap-b.img", "volume-snap-c.img"]);
    assert_eq!((&layers[2].labels, layers[2].user_created), (&labels, false));
    assert!(replica.prepare_snapshot("b", true, CREATED, &labels).unwrap_err().to_string().contains("existing"));
}

#[test]
fn a_disk_that_fails_takes_it_back() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 2, 1);
    let before = scratch.listing();
    for (what, file) in [
        ("make the hard link", "volume-snap-s.img"),
        ("write", "volume-snap-s.img.meta.tmp"),
        ("write", "volume.meta.tmp"),
    ] {
        let _fault = fail(what, file, EIO);
        assert!(replica.prepare_snapshot("s", true, CREATED, &BTreeMap::new()).is_err(), "{what} {file}");
        assert_eq!(scratch.listing(), before, "{what} {file}");
    }
    for file in ["volume-snap-s.img.meta", "volume.meta"] {
        prepare(&replica, "s");
        let fault = fail("rename into place", file, EIO);
        let refused = replica.snapshot("s", true, CREATED, &BTreeMap::new()).unwrap_err();
        assert!(refused.to_string().contains("nothing has changed"), "{refused}");
        assert_eq!(scratch.listing(), before, "{file}");
        drop(fault);
    }
    prepare(&replica, "s");
    take(&replica, "s");
    assert_eq!(bytes_in(&replica, "volume-snap-s.img"), [1, 1, 0, 0]);
}
