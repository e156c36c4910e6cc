//! Filling an empty volume: what is in the directory then, and when it breaks off.

use std::fs;

use super::super::{LayerInfo, Replica, ReplicaError, SnapshotSelection};
use super::{BLOCK, CREATED, Scratch, filled, head_bytes, put, take};

const BYTES: u64 = BLOCK as u64;
const SIZE: u64 = 8 * BYTES;
const EMPTY: [&str; 4] = ["aurochs.state", "volume-head-000.img", "volume-head-000.img.meta", "volume.meta"];

/// Blocks 1 and 2 with data, 5 with zeros, holes elsewhere.
fn fill(replica: &Replica, id: &str) {
    replica.fill_begin(id, "s", SIZE).unwrap();
    replica.fill_write(id, 5 * BYTES, &filled(0, BLOCK)).unwrap();
    replica.fill_write(id, BYTES, &filled(7, 2 * BLOCK)).unwrap();
}

#[test]
fn the_directory_is_as_after_longhorns_clone() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    fill(&replica, "one");
    assert_eq!(head_bytes(&replica), [0; 8], "nothing shows before the end");
    replica.fill_finish("one", CREATED).unwrap();
    assert_eq!(head_bytes(&replica), [0, 7, 7, 0, 0, 0, 0, 0]);
    replica.close().unwrap();
    let head = "{\"Name\":\"volume-head-001.img\",\"Parent\":\"volume-snap-s.img\",\"Removed\":false,\"UserCreated\":false,\
                \"Created\":\"2026-11-21T02:06:49Z\",\"Labels\":null}\n";
    let volume = "{\"Size\":32768,\"Head\":\"volume-head-001.img\",\"Dirty\":false,\"Rebuilding\":false,\"Error\":\"\",\
                  \"Parent\":\"volume-snap-s.img\",\"SectorSize\":512,\"BackingFilePath\":\"\",\"Encrypted\":false}\n";
    assert_eq!(scratch.text("volume-snap-s.img.meta"), "{\"Parent\":\"\"}\n");
    assert_eq!(scratch.text("volume-head-001.img.meta"), head);
    assert_eq!(scratch.text("volume.meta"), volume);
    let files = ["aurochs.state", "volume-head-001.img", "volume-head-001.img.meta", "volume-snap-s.img"];
    assert_eq!(scratch.listing(), [&files[..], &["volume-snap-s.img.meta", "volume.meta"]].concat());

    let replica = scratch.open();
    assert_eq!(head_bytes(&replica), [0, 7, 7, 0, 0, 0, 0, 0]);
    let data = [(BYTES, 2 * BYTES), (5 * BYTES, BYTES)];
    assert_eq!(replica.layer_extents("volume-snap-s.img", 0, 9).unwrap(), data, "zeros stay data, holes holes");
    assert_eq!(replica.snapshot_extents(&SnapshotSelection::all_of("s"), 0, 9).unwrap(), data);
    put(&replica, 1, 1, 8);
    take(&replica, "later");
    replica.revert("s", CREATED).unwrap();
    assert_eq!(head_bytes(&replica), [0, 7, 7, 0, 0, 0, 0, 0]);
}

#[test]
fn only_an_empty_volume_of_this_size_is_filled() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    assert!(matches!(replica.fill_begin("x", "s", 2 * SIZE), Err(ReplicaError::InvalidSize { .. })));
    assert!(matches!(replica.fill_begin("x", "a/b", SIZE), Err(ReplicaError::InvalidName { .. })));
    put(&replica, 0, 1, 1);
    let not_empty = |outcome| matches!(outcome, Err(ReplicaError::VolumeNotEmpty { .. }));
    assert!(not_empty(replica.fill_begin("x", "s", SIZE)));
    replica.discard(0, BYTES).unwrap();
    take(&replica, "s");
    assert!(not_empty(replica.fill_begin("x", "t", SIZE)));
    assert_eq!(scratch.listing().iter().filter(|file| file.contains("tmp")).count(), 0);
}

#[test]
fn writes_go_to_the_fill_they_belong_to() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    let write = |id: &str, offset| replica.fill_write(id, offset, &filled(1, BLOCK));
    assert!(matches!(write("one", 0), Err(ReplicaError::NotFilling)));
    fill(&replica, "one");
    assert!(matches!(write("one", 512), Err(ReplicaError::Unaligned { .. })));
    assert!(matches!(write("one", SIZE), Err(ReplicaError::OutOfRange { .. })));
    // A second attempt takes over; what the first still has on the way goes nowhere.
    replica.fill_begin("two", "s", SIZE).unwrap();
    assert!(matches!(write("one", 0), Err(ReplicaError::NotFilling)));
    replica.fill_abort("one").unwrap();
    write("two", 3 * BYTES).unwrap();
    assert!(matches!(replica.fill_finish("one", CREATED), Err(ReplicaError::NotFilling)));
    replica.fill_finish("two", CREATED).unwrap();
    assert_eq!(head_bytes(&replica), [0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_volume_that_was_written_meanwhile_keeps_its_data() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    fill(&replica, "one");
    put(&replica, 3, 1, 9);
    assert!(matches!(replica.fill_finish("one", CREATED), Err(ReplicaError::VolumeNotEmpty { .. })));
    assert_eq!(head_bytes(&replica), [0, 0, 0, 9, 0, 0, 0, 0]);
}

#[test]
fn given_up_and_closed_fills_leave_nothing() {
    for end in [|replica: &Replica| replica.fill_abort("one").unwrap(), |replica: &Replica| replica.close().unwrap()] {
        let scratch = Scratch::new(8);
        let replica = scratch.open();
        fill(&replica, "one");
        end(&replica);
        assert_eq!(scratch.listing(), EMPTY);
    }
}

/// The steps that `fill.rs` lists, done by hand up to `step`.
fn broken_off_at(scratch: &Scratch, step: u32) {
    let file = |name: &str| scratch.dir.join(name);
    fs::write(file("volume-snap-s.img.snap_tmp"), vec![7; SIZE as usize]).unwrap();
    if step >= 1 {
        fs::write(file("volume-snap-s.img.meta"), "{\"Parent\":\"\"}\n").unwrap();
    }
    if step >= 2 {
        fs::rename(file("volume-snap-s.img.snap_tmp"), file("volume-snap-s.img")).unwrap();
    }
    if step >= 3 {
        fs::File::create(file("volume-head-001.img")).unwrap().set_len(SIZE).unwrap();
        let meta = "{\"Name\":\"volume-head-001.img\",\"Parent\":\"volume-snap-s.img\",\"Created\":\"c\"}\n";
        fs::write(file("volume-head-001.img.meta"), meta).unwrap();
    }
}

#[test]
fn a_fill_that_broke_off_is_cleared_away_and_can_be_repeated() {
    for step in 0..=3 {
        let scratch = Scratch::new(8);
        scratch.open().close().unwrap();
        broken_off_at(&scratch, step);
        let replica = scratch.open();
        assert_eq!(scratch.listing(), EMPTY, "after step {step}");
        let layers: Vec<LayerInfo> = replica.layers().unwrap();
        assert_eq!(layers.len(), 1, "after step {step}");
        assert_eq!(head_bytes(&replica), [0; 8]);
        fill(&replica, "again");
        replica.fill_finish("again", CREATED).unwrap();
        assert_eq!(head_bytes(&replica), [0, 7, 7, 0, 0, 0, 0, 0]);
    }
}

/// Somebody went on with the volume instead: then that snapshot may be all there is of something.
#[test]
fn beside_a_head_with_data_a_root_snapshot_stays() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    replica.close().unwrap();
    broken_off_at(&scratch, 2);
    let replica = scratch.open();
    assert!(replica.layers().unwrap().iter().any(|layer| layer.file_name == "volume-snap-s.img"));
    assert_eq!(replica.read_snapshot("s", 0, 1).unwrap()[..], [7]);
}
