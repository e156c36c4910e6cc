//! The steps that led to a directory, read off its layers, and done again.

use std::os::unix::fs::FileExt;
use std::path::Path;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::replica::{OpenOptions, Replica};

use crate::golden_archive::Golden;
use crate::reader::{Reader, extents, snapshot_name};

/// Snapshots in the order in which they were taken. One second often saw several: then a child follows its parent, and
/// the branch that is being written is written on.
fn in_order(golden: &Reader) -> Vec<String> {
    let mut left: Vec<&String> = golden.layers.keys().filter(|image| **image != golden.head).collect();
    let mut taken: Vec<String> = Vec::new();
    while !left.is_empty() {
        let parent = |image: &String| &golden.layers[image].parent;
        let can_follow = |image: &&&String| parent(image).is_empty() || taken.contains(parent(image));
        let order = |image: &&&String| (golden.layers[**image].created.clone(), taken.last() != Some(parent(image)));
        let next = (*left.iter().filter(can_follow).min_by_key(order).unwrap()).clone();
        left.retain(|image| **image != next);
        taken.push(next);
    }
    taken
}

/// Makes the directory `ours` by doing what was done to the golden one; `closed` is how that ended.
pub(crate) fn repeat(golden: &Golden, ours: &Path, closed: bool) {
    let wanted = Reader::open(&golden.dir);
    let options =
        OpenOptions { revision_counter: golden.dir.join("revision.counter").exists(), ..OpenOptions::default() };
    Replica::create(ours, wanted.size as u64, options).unwrap();
    let replica = Replica::open(ours, options).unwrap();
    let mut head_parent = String::new();
    for image in in_order(&wanted) {
        let layer = &wanted.layers[&image];
        if layer.parent != head_parent {
            replica.revert(snapshot_name(&layer.parent), &layer.created).unwrap();
        }
        write_data(&replica, &golden.dir.join(&image));
        replica.snapshot(snapshot_name(&image), layer.user_created, &layer.created, &layer.labels).unwrap();
        head_parent = image;
    }
    let parent = &wanted.layers[&wanted.head].parent;
    if *parent != head_parent {
        replica.revert(snapshot_name(parent), &wanted.layers[&wanted.head].created).unwrap();
    }
    write_data(&replica, &golden.dir.join(&wanted.head));
    for (image, _) in wanted.layers.iter().filter(|(_, layer)| layer.removed) {
        replica.remove_snapshot(snapshot_name(image)).unwrap();
    }
    if closed {
        replica.close().unwrap();
    } else {
        replica.flush().unwrap();
    }
}

/// Writes what the image holds, allocated zeros included, into the head.
fn write_data(replica: &Replica, image: &Path) {
    let file = std::fs::File::open(image).unwrap();
    for (offset, length) in extents(image) {
        let mut data = vec![0; length];
        file.read_exact_at(&mut data, offset as u64).unwrap();
        replica.write(offset as u64, &AlignedBuf::copy_of(&data)).unwrap();
    }
}
