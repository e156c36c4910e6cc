//! Files in a replica's directory that are no layers and may be all there is of somebody's data.

use std::fs;

use super::super::{SnapshotSelection, delete_directory, names};
use super::{BLOCK, CREATED, Scratch, bytes_in, filled, head_bytes, put, take};

const STRANGER: &str = "volume-snap-s.img";
const BYTES: [u8; BLOCK] = [77; BLOCK];

fn aside(scratch: &Scratch, nth: usize) -> Vec<u8> {
    fs::read(scratch.dir.join(names::aside(STRANGER).nth(nth).unwrap())).unwrap()
}

#[test]
fn a_snapshot_moves_aside_what_has_its_name() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    take(&replica, "base");
    put(&replica, 0, 1, 1);
    fs::write(scratch.dir.join(STRANGER), BYTES).unwrap();
    take(&replica, "s");
    assert_eq!(aside(&scratch, 0), BYTES);
    assert_eq!(bytes_in(&replica, STRANGER), [1, 0, 0, 0]);
    replica.revert("base", CREATED).unwrap();
    replica.remove_snapshot("s").unwrap();
    replica.close().unwrap();

    // It stays over an open, and the next stranger gets another name.
    let replica = scratch.open();
    fs::write(scratch.dir.join(STRANGER), [78; BLOCK]).unwrap();
    take(&replica, "s");
    assert_eq!((aside(&scratch, 0), aside(&scratch, 1)), (BYTES.to_vec(), vec![78; BLOCK]));
    assert_eq!(bytes_in(&replica, STRANGER), [0; 4]);
    replica.close().unwrap();
    delete_directory(&scratch.dir).unwrap();
}

#[test]
fn when_all_names_are_taken_the_snapshot_is_refused() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    for name in names::aside(STRANGER) {
        fs::write(scratch.dir.join(name), "x").unwrap();
    }
    fs::write(scratch.dir.join(STRANGER), BYTES).unwrap();
    let before = scratch.listing();
    let error = replica.snapshot("s", true, CREATED, &Default::default()).unwrap_err();
    assert!(error.to_string().contains(STRANGER) && error.to_string().contains("in the way"), "{error}");
    assert_eq!((scratch.listing(), replica.failure()), (before, None));
    assert_eq!(fs::read(scratch.dir.join(STRANGER)).unwrap(), BYTES);
    take(&replica, "another");
}

#[test]
fn a_rebuild_and_a_fill_move_aside_what_has_the_name_of_a_new_layer() {
    let from = Scratch::new(4);
    let source = from.open();
    put(&source, 0, 2, 5);
    take(&source, "s");
    let to = Scratch::new(4);
    let target = to.open();
    fs::write(to.dir.join(STRANGER), BYTES).unwrap();
    target.rebuild_begin(&source.layers().unwrap()).unwrap();
    target.layer_write(STRANGER, 0, &filled(5, 2 * BLOCK)).unwrap();
    target.rebuild_finish().unwrap();
    assert_eq!((aside(&to, 0), head_bytes(&target)), (BYTES.to_vec(), vec![5, 5, 0, 0]));

    let filled_one = Scratch::new(4);
    let replica = filled_one.open();
    replica.fill_begin("id", "s", 4 * BLOCK as u64).unwrap();
    replica.fill_write("id", 0, &filled(6, BLOCK)).unwrap();
    fs::write(filled_one.dir.join(STRANGER), BYTES).unwrap();
    replica.fill_finish("id", CREATED).unwrap();
    assert_eq!((aside(&filled_one, 0), head_bytes(&replica)), (BYTES.to_vec(), vec![6, 0, 0, 0]));
    assert_eq!(replica.snapshot_extents(&SnapshotSelection::all_of("s"), 0, 9).unwrap(), [(0, BLOCK as u64)]);
}

/// Data under two names that an open would both take for leftovers of something else.
#[test]
fn a_file_keeps_one_of_its_names() {
    let names = ["volume-head-005.img", "volume-head-007.img", "volume-snap-x.img.tmp"];
    for (first, second) in [(0, 1), (0, 2), (2, 0)] {
        let scratch = Scratch::new(4);
        let (first, second) = (scratch.dir.join(names[first]), scratch.dir.join(names[second]));
        fs::write(&first, BYTES).unwrap();
        fs::hard_link(&first, &second).unwrap();
        for _ in 0..2 {
            drop(scratch.open());
        }
        let found = [first, second].into_iter().find_map(|path| fs::read(path).ok());
        assert!(found.is_some_and(|bytes| bytes == BYTES), "{:?}", scratch.listing());
    }
    // Another name elsewhere says nothing about whether this one is wanted.
    let scratch = Scratch::new(4);
    let head = scratch.dir.join("volume-head-005.img");
    fs::write(&head, BYTES).unwrap();
    fs::hard_link(&head, scratch.dir.parent().unwrap().join("elsewhere")).unwrap();
    drop(scratch.open());
    assert_eq!(fs::read(&head).unwrap(), BYTES);
}
