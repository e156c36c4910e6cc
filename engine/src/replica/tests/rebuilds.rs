//! A copy made layer by layer is the source, in every layer, and serves nothing before it is.

use std::collections::BTreeMap;

use nix::libc::EIO;

use super::super::{LayerInfo, Replica, ReplicaError};
use super::{BLOCK, CREATED, Scratch, bytes_in, filled, head_bytes, put, take};
use crate::disk::fault::fail;

/// A source with two branches, allocated zeros over data, labels and a removed layer.
fn source() -> Scratch {
    let scratch = Scratch::new(16);
    let replica = scratch.open();
    put(&replica, 0, 8, 1);
    take(&replica, "base");
    put(&replica, 2, 2, 2);
    replica.snapshot("left", false, CREATED, &BTreeMap::from([("k".to_owned(), "v".to_owned())])).unwrap();
    replica.revert("base", CREATED).unwrap();
    replica.write_zeroes(4 * 4096, 4096, true).unwrap();
    put(&replica, 10, 1, 3);
    take(&replica, "right");
    take(&replica, "top");
    replica.remove_snapshot("right").unwrap();
    replica.close().unwrap();
    scratch
}

fn copy_layers(source: &Replica, target: &Replica, layers: &[LayerInfo]) {
    for layer in layers.iter().filter(|layer| !layer.is_head) {
        for (offset, length) in source.layer_extents(&layer.file_name, 0, usize::MAX).unwrap() {
            let data = source.layer_read(&layer.file_name, offset, u32::try_from(length).unwrap()).unwrap();
            target.layer_write(&layer.file_name, offset, &data).unwrap();
        }
    }
}

fn shape(replica: &Replica) -> Vec<LayerInfo> {
    let layers = replica.layers().unwrap().into_iter();
    layers.filter(|layer| !layer.is_head).map(|layer| LayerInfo { allocated_bytes: 0, ..layer }).collect()
}

#[test]
fn the_copy_equals_the_source_in_every_layer() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    put(&target, 0, 16, 99);
    take(&target, "stale");
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    assert!(target.rebuilding() && to.text("volume.meta").contains("\"Rebuilding\":true"));
    assert!(!to.listing().iter().any(|file| file.contains("stale")));

    // Writes go on at both while the layers are copied.
    for replica in [&source, &target] {
        put(replica, 5, 1, 50);
        replica.write_zeroes(0, 4096, true).unwrap();
        put(replica, 15, 1, 60);
        replica.discard(15 * 4096, 4096).unwrap();
    }
    assert!(matches!(target.read(0, 1), Err(ReplicaError::Rebuilding { .. })));
    assert!(matches!(target.write(1, &filled(1, 1)), Err(ReplicaError::Unaligned { .. })));
    assert!(matches!(target.write_zeroes(1, 4096, true), Err(ReplicaError::Unaligned { .. })));
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert!(!target.rebuilding() && to.text("volume.meta").contains("\"Rebuilding\":false"));

    let reopened = |target: &Replica| {
        assert_eq!(shape(target), shape(&source));
        assert_eq!(head_bytes(target), head_bytes(&source));
        for layer in shape(&source) {
            assert_eq!(bytes_in(target, &layer.file_name), bytes_in(&source, &layer.file_name), "{}", layer.file_name);
        }
    };
    reopened(&target);
    assert_eq!(head_bytes(&target), [0, 1, 1, 1, 0, 50, 1, 1, 0, 0, 3, 0, 0, 0, 0, 0]);
    drop(target);
    reopened(&to.open());
}

#[test]
fn what_was_begun_before_a_crash_is_not_continued() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    copy_layers(&source, &target, &layers);
    drop(target);
    // All of it is there, and perhaps not on the disk.
    let target = to.open();
    let below = layers.iter().find(|layer| !layer.is_head).unwrap();
    let write = target.layer_write(&below.file_name, 0, &filled(9, BLOCK));
    assert!(matches!(write, Err(ReplicaError::NotRebuilding { .. })));
    assert!(matches!(target.rebuild_finish(), Err(ReplicaError::NotRebuilding { .. })));
    assert!(target.rebuilding());
    target.rebuild_begin(&layers).unwrap();
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert_eq!(head_bytes(&target), head_bytes(&source));
}

#[test]
fn a_crash_in_the_middle_starts_over() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    drop(target);
    // Even where layers are missing altogether.
    std::fs::remove_file(to.dir.join("volume-snap-base.img")).unwrap();
    std::fs::remove_file(to.dir.join("volume-snap-top.img.meta")).unwrap();
    let target = to.open();
    assert!(target.rebuilding());
    assert!(target.rebuild_finish().is_err());
    target.rebuild_begin(&layers).unwrap();
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert_eq!(head_bytes(&target), head_bytes(&source));
    assert_eq!(shape(&target), shape(&source));
}

#[test]
fn a_snapshot_taken_meanwhile_is_kept_and_not_overwritten() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    for replica in [&source, &target] {
        put(replica, 7, 1, 70);
        take(replica, "meanwhile");
        put(replica, 7, 1, 71);
    }
    let overwrite = target.layer_write("volume-snap-meanwhile.img", 0, &filled(1, BLOCK));
    assert!(matches!(overwrite, Err(ReplicaError::LayerNotFound { .. })));
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert_eq!(shape(&target), shape(&source));
    assert_eq!(head_bytes(&target), head_bytes(&source));
    let snapshot = "volume-snap-meanwhile.img";
    assert_eq!(bytes_in(&target, snapshot), bytes_in(&source, snapshot));
}

#[test]
fn snapshots_are_written_by_rebuilds_only() {
    let scratch = source();
    let replica = scratch.open();
    let write = |file: &str, offset, length| replica.layer_write(file, offset, &filled(9, length));
    assert!(matches!(write("volume-snap-base.img", 0, BLOCK), Err(ReplicaError::NotRebuilding { .. })));
    assert!(matches!(replica.rebuild_finish(), Err(ReplicaError::NotRebuilding { .. })));
    let layers = replica.layers().unwrap();
    replica.rebuild_begin(&layers).unwrap();
    let head = replica.head_file();
    assert!(matches!(write(&head, 0, BLOCK), Err(ReplicaError::LayerNotFound { .. })));
    assert!(matches!(write("volume-snap-none.img", 0, BLOCK), Err(ReplicaError::LayerNotFound { .. })));
    assert!(matches!(write("volume-snap-base.img", 512, BLOCK), Err(ReplicaError::Unaligned { .. })));
    assert!(matches!(write("volume-snap-base.img", 16 * 4096, BLOCK), Err(ReplicaError::OutOfRange { .. })));
}

#[test]
fn what_a_lost_source_gave_leaves_nothing_behind() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    let layers = source.layers().unwrap();
    let base = ["volume-snap-base.img".to_owned()];
    assert!(matches!(target.rebuild_empty(&base), Err(ReplicaError::NotRebuilding { .. })));
    target.rebuild_begin(&layers).unwrap();
    // Where the next source has a hole.
    target.layer_write(&base[0], 12 * 4096, &filled(9, BLOCK)).unwrap();
    target.rebuild_empty(&base).unwrap();
    assert_eq!(target.layer_extents(&base[0], 0, usize::MAX).unwrap(), []);
    assert!(matches!(target.rebuild_empty(&[target.head_file()]), Err(ReplicaError::LayerNotFound { .. })));
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert_eq!(shape(&target), shape(&source));
    assert_eq!(head_bytes(&target), head_bytes(&source));
    assert_eq!(bytes_in(&target, &base[0]), bytes_in(&source, &base[0]));
}

#[test]
fn an_impossible_source_changes_nothing() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    put(&target, 0, 1, 5);
    let good = source.layers().unwrap();
    let spoil = |change: &dyn Fn(&mut Vec<LayerInfo>)| {
        let mut layers = good.clone();
        change(&mut layers);
        let before = to.listing();
        assert!(target.rebuild_begin(&layers).is_err());
        assert!(!target.rebuilding());
        assert_eq!(to.listing(), before);
    };
    spoil(&|layers| layers.retain(|layer| !layer.is_head));
    spoil(&|layers| layers.retain(|layer| !layer.file_name.contains("base")));
    spoil(&|layers| layers.iter_mut().for_each(|layer| layer.file_size -= 4096));
    spoil(&|layers| layers.push(LayerInfo { file_name: "volume-snap-/../x.img".to_owned(), ..layers[1].clone() }));
    spoil(&|layers| layers.push(LayerInfo { file_name: "passwd".to_owned(), ..layers[1].clone() }));
    spoil(&|layers| layers.push(layers[1].clone()));
    assert_eq!(head_bytes(&target)[0], 5);
}

#[test]
fn small_parts_of_a_layer_keep_their_holes_and_are_as_durable_as_large_ones() {
    let (from, to) = (Scratch::new(64), Scratch::new(64));
    let (source, target) = (from.open(), to.open());
    for block in (0..32).step_by(2) {
        put(&source, block, 1, 1);
    }
    put(&source, 40, 20, 2);
    take(&source, "s");
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    let image = "volume-snap-s.img";
    let extents = source.layer_extents(image, 0, usize::MAX).unwrap();
    let parts: Vec<_> = extents.iter().map(|&(offset, length)| offset as u32..(offset + length) as u32).collect();
    let data = source.layer_read_parts(image, 0, &parts).unwrap();
    target.layer_write_parts(image, 0, &parts, &data).unwrap();
    target.rebuild_finish().unwrap();
    assert_eq!(target.layer_extents(image, 0, usize::MAX).unwrap(), extents);
    assert_eq!(bytes_in(&target, image), bytes_in(&source, image));
}

#[test]
fn a_rebuild_whose_sync_failed_never_finishes() {
    let (from, to) = (source(), Scratch::new(16));
    let (source, target) = (from.open(), to.open());
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    copy_layers(&source, &target, &layers);
    {
        let _fault = fail("sync", "volume-snap-base.img", EIO);
        assert!(target.rebuild_finish().is_err());
    }
    assert!(target.rebuild_finish().is_err() && target.rebuilding(), "though the disk syncs again");
    target.rebuild_begin(&layers).unwrap();
    copy_layers(&source, &target, &layers);
    target.rebuild_finish().unwrap();
    assert_eq!(head_bytes(&target), head_bytes(&source));
}
