//! Volumes on a backing file.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{OpenOptions, Replica, ReplicaError};
use super::{BLOCK, CREATED, Scratch, filled, listing, put, take};
use crate::backing::BackingError;

const BLOCKS: usize = 8;
/// The image ends inside the volume's fifth block.
const IMAGE_SIZE: usize = 4 * BLOCK + 512;

struct Setup {
    root: tempfile::TempDir,
    raw: PathBuf,
    qcow2: PathBuf,
    dir: PathBuf,
}

impl Setup {
    /// An image whose block n is full of n + 1, in both formats.
    fn new() -> Self {
        let root = Scratch::root();
        let at = |name: &str| root.path().join(name);
        let (raw, qcow2, dir) = (at("image.raw"), at("image.qcow2"), at("replica"));
        let content: Vec<u8> = (0..IMAGE_SIZE).map(|index| (index / BLOCK + 1) as u8).collect();
        std::fs::write(&raw, content).unwrap();
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=8k"]).arg(&raw).arg(&qcow2);
        assert!(convert.status().unwrap().success());
        Self { root, raw, qcow2, dir }
    }

    fn create(&self, image: &Path) -> Result<(), ReplicaError> {
        Replica::create_on(&self.dir, (BLOCKS * BLOCK) as u64, Some(image), OpenOptions::default())
    }

    fn open(&self) -> Replica {
        Replica::open(&self.dir, OpenOptions::default()).unwrap()
    }
}

fn content(replica: &Replica) -> Vec<u8> {
    replica.read(0, replica.size() as u32).unwrap().to_vec()
}

/// Calls `test` with a fresh volume on each format.
fn on_each_format(test: impl Fn(&Setup)) {
    for format in ["raw", "qcow2"] {
        let setup = Setup::new();
        setup.create(if format == "raw" { &setup.raw } else { &setup.qcow2 }).unwrap();
        test(&setup);
    }
}

#[test]
fn a_new_volume_reads_as_its_backing_file_and_zeros_after_it() {
    on_each_format(|setup| {
        let mut expected = std::fs::read(&setup.raw).unwrap();
        expected.resize(BLOCKS * BLOCK, 0);
        assert!(content(&setup.open()) == expected);
    });
}

#[test]
fn all_of_the_backing_file_counts_as_data() {
    on_each_format(|setup| {
        let covered = std::fs::metadata(&setup.raw).unwrap().len().next_multiple_of(BLOCK as u64);
        let replica = setup.open();
        assert_eq!(replica.allocation(0, replica.size(), 9).unwrap(), [(0, covered)]);
        assert_eq!(replica.allocation(covered, replica.size() - covered, 9).unwrap(), []);
    });
}

#[test]
fn a_partial_write_keeps_what_the_backing_file_has_around_it() {
    on_each_format(|setup| {
        let mut expected = content(&setup.open());
        let replica = setup.open();
        replica.write(BLOCK as u64 + 100, &filled(0x77, BLOCK)).unwrap();
        expected[BLOCK + 100..2 * BLOCK + 100].fill(0x77);
        assert!(content(&replica) == expected);
        drop(replica);
        assert!(content(&setup.open()) == expected);
    });
}

#[test]
fn zeros_hide_the_backing_file_and_a_discard_shows_it_again() {
    on_each_format(|setup| {
        let replica = setup.open();
        let original = content(&replica);
        replica.write_zeroes(0, replica.size(), true).unwrap();
        assert!(content(&replica).iter().all(|&byte| byte == 0));
        // Behind the image there is nothing to hide.
        assert_eq!(replica.layers().unwrap()[0].allocated_bytes, (IMAGE_SIZE.div_ceil(BLOCK) * BLOCK) as u64);
        replica.close().unwrap();
        let replica = setup.open();
        assert!(content(&replica).iter().all(|&byte| byte == 0), "after a reopen");
        replica.discard(0, replica.size()).unwrap();
        assert!(content(&replica) == original);
        replica.close().unwrap();
        assert!(content(&setup.open()) == original, "after a reopen");
    });
}

#[test]
fn snapshots_stand_on_the_backing_file() {
    on_each_format(|setup| {
        let replica = setup.open();
        put(&replica, 1, 1, 9);
        take(&replica, "first");
        put(&replica, 2, 4, 8);
        let head = content(&replica);
        take(&replica, "second");
        replica.revert("first", CREATED).unwrap();
        let first: Vec<u8> = content(&replica).chunks(BLOCK).map(|block| block[0]).collect();
        assert_eq!(first, [1, 9, 3, 4, 5, 0, 0, 0]);
        replica.revert("second", CREATED).unwrap();
        assert!(content(&replica) == head);
        // It is no layer.
        assert_eq!(replica.layers().unwrap().len(), 3);
    });
}

#[test]
fn the_path_is_recorded_and_replaced_as_given() {
    let setup = Setup::new();
    setup.create(&setup.raw).unwrap();
    let recorded = || std::fs::read_to_string(setup.dir.join("volume.meta")).unwrap();
    assert!(recorded().contains(&format!("\"BackingFilePath\":\"{}\"", setup.raw.display())), "{}", recorded());
    let before = content(&setup.open());
    // A directory with one file, reached by a link, and no flag at the next open.
    let shelf = setup.root.path().join("shelf");
    std::fs::create_dir(&shelf).unwrap();
    std::fs::rename(&setup.qcow2, shelf.join("backing")).unwrap();
    let link = setup.root.path().join("link");
    std::os::unix::fs::symlink(&shelf, &link).unwrap();
    drop(Replica::open_on(&setup.dir, Some(&link), OpenOptions::default()).unwrap());
    assert!(recorded().contains(&format!("\"BackingFilePath\":\"{}\"", link.display())), "{}", recorded());
    std::fs::remove_file(&setup.raw).unwrap();
    assert!(content(&setup.open()) == before);
}

#[test]
fn a_missing_or_unfit_backing_file_changes_nothing() {
    let setup = Setup::new();
    setup.create(&setup.raw).unwrap();
    setup.open().close().unwrap();
    let files = || listing(&setup.dir).iter().map(|file| std::fs::read(setup.dir.join(file)).unwrap()).collect();
    let before: Vec<Vec<u8>> = files();
    let moved = setup.root.path().join("moved");
    std::fs::rename(&setup.raw, &moved).unwrap();
    let error = Replica::open(&setup.dir, OpenOptions::default()).unwrap_err();
    assert!(matches!(error, ReplicaError::Backing(BackingError::Missing { .. })), "{error:?}");
    assert!(error.to_string().contains("image.raw") && error.to_string().contains("put the image back"), "{error}");

    let large = setup.root.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((BLOCKS * BLOCK + 512) as u64).unwrap();
    let odd = setup.root.path().join("odd");
    std::fs::write(&odd, [1; 513]).unwrap();
    let several = setup.root.path().to_path_buf();
    for (path, expected) in [
        (&large, "make the volume at least as large"),
        (&odd, "not a multiple of 512"),
        (&several, "exactly one file"),
        (&PathBuf::from("/dev/null"), "neither a file nor a directory"),
    ] {
        let error = Replica::open_on(&setup.dir, Some(path), OpenOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        let fresh = setup.root.path().join("fresh");
        let error = Replica::create_on(&fresh, (BLOCKS * BLOCK) as u64, Some(path), OpenOptions::default());
        assert!(matches!(error, Err(ReplicaError::Backing(_))));
        assert!(!fresh.exists(), "nothing is made for a refused creation");
    }
    assert_eq!(before, files());
    drop(Replica::open_on(&setup.dir, Some(&moved), OpenOptions::default()).unwrap());
}

#[test]
fn a_rebuilt_replica_stands_on_its_own_backing_file() {
    let setup = Setup::new();
    setup.create(&setup.qcow2).unwrap();
    let source = setup.open();
    put(&source, 1, 1, 9);
    take(&source, "s");
    put(&source, 7, 1, 6);
    let target = Setup::new();
    target.create(&target.raw).unwrap();
    let copy = target.open();
    let layers = source.layers().unwrap();
    copy.rebuild_begin(&layers).unwrap();
    put(&copy, 7, 1, 6);
    for layer in layers.iter().filter(|layer| !layer.is_head) {
        for (offset, length) in source.layer_extents(&layer.file_name, 0, 100).unwrap() {
            let data = source.layer_read(&layer.file_name, offset, length as u32).unwrap();
            copy.layer_write(&layer.file_name, offset, &data).unwrap();
        }
    }
    copy.rebuild_finish().unwrap();
    assert!(content(&copy) == content(&source));
    let firsts: Vec<u8> = content(&copy).chunks(BLOCK).map(|block| block[0]).collect();
    assert_eq!(firsts, [1, 9, 3, 4, 5, 0, 0, 6]);
}
