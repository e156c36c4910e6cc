//! Volumes and chains of a size at which a number that is too narrow shows: past 4 GiB, 1 TiB with a hundred snapshots,
//! 16 TiB. All files are sparse.
//!
//! A file of 16 TiB needs XFS (ext4's largest is one block smaller), so file systems are mounted from image files: that
//! needs root and a loop device, and so does the test with a block device.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod node;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::replica::{OpenOptions, Replica, ReplicaError};
use node::{Node, noise, run};

const BLOCK: u64 = 4096;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const CREATED: &str = "2026-11-21T08:00:00Z";

/// A file system of its own, in a sparse file.
struct Disk {
    mount_point: PathBuf,
    _root: tempfile::TempDir,
}

impl Disk {
    fn mounted(mkfs: &str) -> Self {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let (image, mount_point) = (root.path().join("disk"), root.path().join("mounted"));
        // The smallest that mkfs.xfs makes is 300 MiB.
        std::fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
        std::fs::create_dir(&mount_point).unwrap();
        command(mkfs, &["-q"], &[&image]);
        command("mount", &["-o", "loop"], &[&image, &mount_point]);
        Self { mount_point, _root: root }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        command("umount", &[], &[&self.mount_point]);
    }
}

fn command(program: &str, arguments: &[&str], paths: &[&Path]) {
    let output = Command::new(program).args(arguments).args(paths).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("not checked: mounting and block devices need root");
    }
    root
}

fn open(dir: &Path) -> Replica {
    Replica::open(dir, OpenOptions::default()).unwrap()
}

/// Different for every place and every `version` of it.
fn content(offset: u64, length: u64, version: u64) -> AlignedBuf {
    AlignedBuf::copy_of(&noise(offset ^ version << 56, length as usize))
}

fn write(replica: &Replica, offset: u64, length: u64, version: u64) {
    replica.write(offset, &content(offset, length, version)).unwrap();
}

#[track_caller]
fn assert_content(replica: &Replica, offset: u64, length: u64, version: u64) {
    let read = replica.read(offset, length as u32).unwrap();
    assert!(read[..] == content(offset, length, version)[..], "{length} bytes at {offset} are not version {version}");
}

#[track_caller]
fn assert_zero(replica: &Replica, offset: u64, length: u64) {
    let read = replica.read(offset, length as u32).unwrap();
    assert!(read.iter().all(|&byte| byte == 0), "{length} bytes at {offset} were never written");
}

/// Places where 32 bits of bytes, of sectors or of blocks overflow; each also 4 GiB below itself, where a cut number
/// would land.
fn places(size: u64) -> Vec<(u64, u64)> {
    let borders = [4 * GIB, 8 * GIB, TIB, 2 * TIB, 8 * TIB, size];
    let around = borders.into_iter().filter(|&border| border <= size).flat_map(|border| {
        let length = if border == size { 2 * BLOCK } else { 4 * BLOCK };
        [(border - 2 * BLOCK, length), (border - 4 * GIB + 64 * BLOCK, BLOCK)]
    });
    around.collect()
}

/// Writes at all places, takes a snapshot, writes over some, and reads before and after a reopen.
fn use_at_the_borders(dir: &Path, size: u64) {
    Replica::create(dir, size, OpenOptions::default()).unwrap();
    let replica = open(dir);
    let places = places(size);
    for &(offset, length) in &places {
        write(&replica, offset, length, 1);
    }
    replica.snapshot("s", true, CREATED, &BTreeMap::new()).unwrap();
    let (changed, kept) = places.split_at(places.len() / 2);
    for &(offset, length) in changed {
        write(&replica, offset, length, 2);
    }
    // Not whole blocks: what stands around them in the layer below comes along.
    replica.write(size - 100, &content(size - 100, 100, 3)).unwrap();
    assert!(matches!(replica.write(size - 4, &content(0, 8, 0)), Err(ReplicaError::OutOfRange { .. })));
    let check = |replica: &Replica| {
        for &(offset, length) in changed {
            assert_content(replica, offset, length, 2);
        }
        for &(offset, length) in kept {
            let shown = if offset + length == size { length - 100 } else { length };
            let read = replica.read(offset, shown as u32).unwrap();
            assert!(read[..] == content(offset, length, 1)[..shown as usize], "{shown} bytes at {offset}");
        }
        assert_content(replica, size - 100, 100, 3);
        assert_zero(replica, 3 * GIB, 64 * BLOCK);
        for &(offset, length) in &places {
            let read = replica.read_layer_chain("volume-snap-s.img", offset, length as u32).unwrap();
            assert!(read[..] == content(offset, length, 1)[..], "the snapshot at {offset}");
            assert!(replica.layer_read("volume-snap-s.img", offset, length as u32).unwrap()[..] == read[..]);
        }
        let mut expected = places.clone();
        expected.sort_unstable();
        assert_eq!(replica.layer_extents("volume-snap-s.img", 0, 100).unwrap(), expected);
        assert_eq!(replica.layer_extents("volume-snap-s.img", 5 * GIB, 1).unwrap(), [first_from(&expected, 5 * GIB)]);
    };
    check(&replica);
    replica.close().unwrap();
    drop(replica);
    let replica = open(dir);
    assert_eq!(replica.size(), size);
    check(&replica);

    let far = changed.last().copied().unwrap();
    assert_eq!(replica.discard(far.0, far.1).unwrap(), far.1);
    assert_content(&replica, far.0, far.1, 1);
    // One request as long as the volume.
    replica.write_zeroes(0, size, true).unwrap();
    for &(offset, length) in &places {
        assert_zero(&replica, offset, length);
    }
    let mut held = places.clone();
    held.sort_unstable();
    let zeroed = replica.layer_extents(&replica.head_file(), 0, 100).unwrap();
    assert_eq!(zeroed, held, "zeros hide what the snapshot holds, and take no space elsewhere");
    replica.revert("s", CREATED).unwrap();
    for &(offset, length) in &places {
        assert_content(&replica, offset, length, 1);
    }

    // A merge: what the removed snapshot alone holds at the borders goes into the one above it.
    write(&replica, size - 2 * BLOCK, BLOCK, 4);
    replica.snapshot("t", true, CREATED, &BTreeMap::new()).unwrap();
    replica.mark_removed(&["s".to_owned()]).unwrap();
    replica.purge().unwrap();
    assert_eq!(replica.layers().unwrap().len(), 2);
    assert_content(&replica, size - 2 * BLOCK, BLOCK, 4);
    for &(offset, length) in places.iter().filter(|(offset, length)| offset + length < size) {
        assert_content(&replica, offset, length, 1);
    }
    replica.close().unwrap();
}

fn first_from(sorted: &[(u64, u64)], from: u64) -> (u64, u64) {
    sorted.iter().copied().find(|(offset, _)| *offset >= from).unwrap()
}

#[test]
fn sixteen_tebibytes() {
    if !is_root() {
        return;
    }
    let disk = Disk::mounted("mkfs.xfs");
    use_at_the_borders(&disk.mount_point.join("replica"), 16 * TIB);
}

#[test]
fn the_largest_file_of_ext4() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    use_at_the_borders(&root.path().join("replica"), 16 * TIB - BLOCK);
}

#[test]
fn a_size_that_the_file_system_cannot_hold_is_refused_with_the_way_out() {
    if !is_root() {
        return;
    }
    let disk = Disk::mounted("mkfs.ext4");
    let dir = disk.mount_point.join("replica");
    let error = Replica::create(&dir, 16 * TIB, OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("choose a smaller volume"), "{error}");
    // Nothing is in the way of the next attempt, and an expansion that cannot be leaves the volume as it was.
    Replica::create(&dir, TIB, OpenOptions::default()).unwrap();
    let replica = open(&dir);
    write(&replica, TIB - BLOCK, BLOCK, 1);
    let error = replica.expand(16 * TIB, CREATED).unwrap_err();
    assert!(error.to_string().contains("choose a smaller volume"), "{error}");
    assert_eq!((replica.size(), replica.layers().unwrap().len()), (TIB, 1));
    assert_content(&replica, TIB - BLOCK, BLOCK, 1);
    replica.close().unwrap();
}

#[test]
fn a_tebibyte_with_a_hundred_snapshots() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let dir = root.path().join("replica");
    Replica::create(&dir, TIB, OpenOptions::default()).unwrap();
    let replica = open(&dir);
    // Every snapshot writes over some of the places that older ones wrote: place → its newest version.
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    let mut at_the_middle = BTreeMap::new();
    for version in 1..=100 {
        for step in 0..6 {
            let place = (version * 37 + step * 101) % 256 * (4 * GIB - 3 * BLOCK);
            write(&replica, place, 3 * BLOCK, version);
            newest.insert(place, version);
        }
        replica.snapshot(&format!("s{version}"), true, CREATED, &BTreeMap::new()).unwrap();
        if version == 50 {
            at_the_middle = newest.clone();
        }
    }
    write(&replica, TIB - BLOCK, BLOCK, 200);
    replica.close().unwrap();
    drop(replica);

    let replica = open(&dir);
    assert_eq!(replica.layers().unwrap().len(), 101);
    let check = |replica: &Replica| {
        for (&place, &version) in &newest {
            assert_content(replica, place, 3 * BLOCK, version);
            assert_zero(replica, place + 3 * BLOCK, BLOCK);
        }
        assert_content(replica, TIB - BLOCK, BLOCK, 200);
    };
    check(&replica);
    for (&place, &version) in &at_the_middle {
        let read = replica.read_layer_chain("volume-snap-s50.img", place, 3 * BLOCK as u32).unwrap();
        assert!(read[..] == content(place, 3 * BLOCK, version)[..], "snapshot s50 at {place}");
    }

    // Merges and a prune, and what they leave opens to the same.
    let removed: Vec<String> = (1..=5).chain([40, 60, 100]).map(|number| format!("s{number}")).collect();
    replica.mark_removed(&removed).unwrap();
    replica.purge().unwrap();
    check(&replica);
    replica.close().unwrap();
    drop(replica);
    let replica = open(&dir);
    // The layer under the head is pruned, and stays.
    assert_eq!(replica.layers().unwrap().len(), 101 - removed.len() + 1);
    check(&replica);
    replica.close().unwrap();
}

/// The frontends: every client sees the size to the byte and reaches the end.
#[tokio::test(flavor = "multi_thread")]
async fn clients_see_and_reach_all_of_a_large_volume() {
    if !is_root() {
        return;
    }
    let size = 16 * TIB - BLOCK;
    let node = Node::start().await;
    let volume = node.create("large", size, 1).await;
    let engine = node.attach(&volume, "blockdev").await;
    let status = engine.wait_up().await;
    let device = status.endpoint.as_str();
    assert_eq!(run("blockdev", &["--getsize64", device]).await.trim(), size.to_string());
    assert_eq!(run("nbdinfo", &["--size", &status.nbd_uri]).await.trim(), size.to_string());

    // Written through one door, read through the other.
    let ends = [4 * GIB - BLOCK, TIB, size - 2 * BLOCK];
    for (number, offset) in ends.into_iter().enumerate() {
        let write = format!("write -P {} {offset} 8k", number + 1);
        run("qemu-io", &["-f", "raw", "-c", &write, "-c", "flush", &status.nbd_uri]).await;
    }
    for (number, offset) in ends.into_iter().enumerate() {
        let read = format!("read -P {} {offset} 8k", number + 1);
        let said = run("qemu-io", &["-f", "raw", "-t", "none", "-c", &read, device]).await;
        assert!(!said.contains("failed"), "{said}");
    }
    let head = node.directory(&volume.replicas[0]).join("volume-head-000.img");
    let facts = std::fs::metadata(head).unwrap();
    assert_eq!((facts.size(), facts.blocks() * 512), (size, 6 * BLOCK));
    node.stop(&engine.name).await;
}
