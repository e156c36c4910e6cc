//! A replica that grows shows its old bytes, zeros behind them, and one size at any moment.

use std::fs;
use std::path::Path;

use super::super::{ReplicaError, names};
use super::{BLOCK, CREATED, Scratch, bytes_in, filled, head_bytes, put, take};

const OLD: u64 = 4 * BLOCK as u64;
const NEW: u64 = 6 * BLOCK as u64;
const LEFT: &str = "volume-snap-expand-24576.img";

#[test]
fn what_was_there_stays_and_zeros_follow() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 4, 1);
    take(&replica, "before");
    put(&replica, 3, 1, 2);
    replica.expand(NEW, CREATED).unwrap();
    assert_eq!((replica.size(), head_bytes(&replica)), (NEW, vec![1, 1, 1, 2, 0, 0]));
    put(&replica, 5, 1, 3);
    replica.write(OLD - 10, &filled(9, 20)).unwrap();
    replica.write(OLD - 10, &filled(2, 10)).unwrap();
    replica.write(OLD, &filled(0, 10)).unwrap();
    assert_eq!(bytes_in(&replica, "volume-snap-before.img"), [1, 1, 1, 1, 0, 0]);
    assert_eq!(bytes_in(&replica, LEFT), [1, 1, 1, 2, 0, 0]);
    replica.close().unwrap();

    let replica = scratch.open();
    assert_eq!((replica.size(), head_bytes(&replica)), (NEW, vec![1, 1, 1, 2, 0, 3]));
    let sizes: Vec<_> = replica.layers().unwrap().into_iter().map(|layer| (layer.file_name, layer.file_size)).collect();
    let expected = [("volume-head-002.img", NEW), ("volume-snap-before.img", OLD), (LEFT, OLD)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_owned(), size)));
    // A volume that went back in time keeps the size that its users know.
    replica.revert("before", CREATED).unwrap();
    assert_eq!((replica.size(), head_bytes(&replica)), (NEW, vec![1, 1, 1, 1, 0, 0]));
    put(&replica, 5, 1, 4);
    replica.close().unwrap();
    assert_eq!(head_bytes(&scratch.open()), [1, 1, 1, 1, 0, 4]);
}

#[test]
fn the_same_size_is_no_change_and_others_are_refused() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    let before = scratch.listing();
    replica.expand(OLD, CREATED).unwrap();
    assert!(matches!(replica.expand(OLD - 4096, CREATED), Err(ReplicaError::Smaller { size: OLD, .. })));
    assert!(matches!(replica.expand(OLD + 512, CREATED), Err(ReplicaError::InvalidSize { .. })));
    assert_eq!((scratch.listing(), replica.size()), (before, OLD));
    take(&replica, "expand-24576");
    assert!(matches!(replica.expand(NEW, CREATED), Err(ReplicaError::SnapshotExists { .. })));
    let past_the_end = replica.write(OLD, &filled(1, BLOCK));
    assert!(matches!(past_the_end, Err(ReplicaError::OutOfRange { .. })), "a refused expansion has changed nothing");
    assert_eq!(replica.size(), OLD);
}

/// The steps of an expansion on a head "000", as `snapshot.rs` lists them, done by hand up to `step`.
fn expansion_until(dir: &Path, step: u32) {
    let file = |name: &str| dir.join(name);
    let (old, new) = ("volume-head-000.img", "volume-head-001.img");
    let steps: [&dyn Fn(); 7] = [
        &|| fs::File::create_new(file(new)).unwrap().set_len(NEW).unwrap(),
        &|| {
            let meta = format!("{{\"Name\":\"{new}\",\"Parent\":\"{LEFT}\",\"Created\":\"c\"}}\n");
            fs::write(file(&names::meta_of(new)), meta).unwrap();
        },
        &|| fs::hard_link(file(old), file(LEFT)).unwrap(),
        &|| fs::hard_link(file(&names::meta_of(old)), file(&names::meta_of(LEFT))).unwrap(),
        &|| {
            let meta = fs::read_to_string(file("volume.meta")).unwrap();
            let meta = meta.replace(old, new).replace("\"Parent\":\"\"", &format!("\"Parent\":\"{LEFT}\""));
            let meta = meta.replace(&format!("\"Size\":{OLD},"), &format!("\"Size\":{NEW},"));
            fs::write(file("volume.meta"), meta).unwrap();
        },
        &|| fs::remove_file(file(&names::meta_of(old))).unwrap(),
        &|| fs::remove_file(file(old)).unwrap(),
    ];
    for step in &steps[..step as usize] {
        step();
    }
}

#[test]
fn an_expansion_that_broke_off_is_done_or_not_begun() {
    for step in 0..=7 {
        let scratch = Scratch::new(4);
        let replica = scratch.open();
        put(&replica, 1, 3, 7);
        drop(replica);
        expansion_until(&scratch.dir, step);
        let done = step >= 5;

        let replica = scratch.open();
        let (size, bytes) = if done { (NEW, vec![0, 7, 7, 7, 0, 0]) } else { (OLD, vec![0, 7, 7, 7]) };
        assert_eq!((replica.size(), head_bytes(&replica)), (size, bytes), "after step {step}");
        // Asked again, it comes to the same end from wherever it was.
        replica.expand(NEW, CREATED).unwrap();
        put(&replica, 5, 1, 9);
        assert_eq!(head_bytes(&replica), [0, 7, 7, 7, 0, 9], "after step {step}");
        assert_eq!(bytes_in(&replica, LEFT), [0, 7, 7, 7, 0, 0], "after step {step}");
        replica.close().unwrap();
        let mut files = vec!["aurochs.state".to_owned(), "volume-head-001.img".to_owned()];
        files.extend([names::meta_of("volume-head-001.img"), LEFT.to_owned(), names::meta_of(LEFT)]);
        files.push("volume.meta".to_owned());
        assert_eq!(scratch.listing(), files, "after step {step}");
    }
}

#[test]
fn a_smaller_replica_is_rebuilt_to_the_size_of_its_source() {
    let (from, to) = (Scratch::new(4), Scratch::new(4));
    let (source, target) = (from.open(), to.open());
    put(&source, 0, 4, 1);
    source.expand(NEW, CREATED).unwrap();
    put(&source, 5, 1, 2);
    take(&source, "after");
    put(&target, 0, 4, 99);
    let layers = source.layers().unwrap();
    target.rebuild_begin(&layers).unwrap();
    for layer in layers.iter().filter(|layer| !layer.is_head) {
        for (offset, length) in source.layer_extents(&layer.file_name, 0, usize::MAX).unwrap() {
            let data = source.layer_read(&layer.file_name, offset, u32::try_from(length).unwrap()).unwrap();
            target.layer_write(&layer.file_name, offset, &data).unwrap();
        }
    }
    put(&target, 4, 1, 3);
    target.rebuild_finish().unwrap();
    assert_eq!((target.size(), head_bytes(&target)), (NEW, vec![1, 1, 1, 1, 3, 2]));
    assert_eq!(bytes_in(&target, LEFT), [1, 1, 1, 1, 0, 0]);
    target.close().unwrap();
    assert_eq!(head_bytes(&to.open()), [1, 1, 1, 1, 3, 2]);

    let small = Scratch::new(4);
    let refused = to.open().rebuild_begin(&small.open().layers().unwrap());
    assert!(matches!(refused, Err(ReplicaError::Smaller { asked: OLD, size: NEW })), "a larger one is not cut");
}
