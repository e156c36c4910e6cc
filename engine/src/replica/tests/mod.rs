//! Tests of a replica on a real file system: what it reads, what it leaves in its directory.

mod allocation;
mod backing;
mod crashes;
mod cut_disks;
mod expansion;
mod failed_changes;
mod fills;
mod full_disk;
mod hashes;
mod lost_images;
mod model;
mod mounted;
mod no_room;
mod power_cuts;
mod prepared_snapshots;
mod purge_crashes;
mod purge_golden;
mod purge_model;
mod purge_room;
mod purges;
mod rebuilds;
mod refusals;
mod small_disk;
mod strangers;
mod sums;
mod syncs;
mod texts;
mod views;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{OpenOptions, Replica};
use crate::disk::AlignedBuf;

pub(super) const BLOCK: usize = 4096;
pub(super) const CREATED: &str = "2026-11-21T02:06:49Z";

/// A replica directory that goes away with the test.
pub(super) struct Scratch {
    _root: TempDir,
    pub(super) dir: PathBuf,
    options: OpenOptions,
}

impl Scratch {
    /// `/var/tmp` lies on a disk, where `/tmp` may be memory without extents.
    pub(super) fn root() -> TempDir {
        tempfile::tempdir_in("/var/tmp").unwrap()
    }

    pub(super) fn new(blocks: usize) -> Self {
        Self::with(blocks, OpenOptions::default())
    }

    fn with(blocks: usize, options: OpenOptions) -> Self {
        let root = Self::root();
        let dir = root.path().join("replica");
        Replica::create(&dir, (blocks * BLOCK) as u64, options).unwrap();
        Self { _root: root, dir, options }
    }

    pub(super) fn open(&self) -> Replica {
        Replica::open(&self.dir, self.options).unwrap()
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join(file)).unwrap()
    }

    fn listing(&self) -> Vec<String> {
        listing(&self.dir)
    }
}

/// But for the checksums of blocks, which come when an image is first read or written.
fn listing(dir: &Path) -> Vec<String> {
    let (_, names) = with_sums(dir);
    names
}

/// Files of checksums, and all others.
fn with_sums(dir: &Path) -> (Vec<String>, Vec<String>) {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (mut of_sums, mut others): (Vec<_>, Vec<_>) = entries.partition(|name| super::sums::is_file_of_sums(name));
    of_sums.sort();
    others.sort();
    (of_sums, others)
}

pub(super) fn filled(byte: u8, length: usize) -> AlignedBuf {
    let mut buffer = AlignedBuf::zeroed(length);
    buffer.fill(byte);
    buffer
}

/// Writes `byte` over whole blocks.
pub(super) fn put(replica: &Replica, block: usize, count: usize, byte: u8) {
    replica.write((block * BLOCK) as u64, &filled(byte, count * BLOCK)).unwrap();
}

/// The first byte of each block of a layer, after a check that all its bytes are the same.
fn bytes_in(replica: &Replica, file_name: &str) -> Vec<u8> {
    let content = replica.read_layer_chain(file_name, 0, u32::try_from(replica.size()).unwrap()).unwrap();
    content
        .chunks(BLOCK)
        .map(|block| {
            assert!(block.iter().all(|byte| *byte == block[0]));
            block[0]
        })
        .collect()
}

pub(super) fn head_bytes(replica: &Replica) -> Vec<u8> {
    bytes_in(replica, &replica.head_file())
}

pub(super) fn take(replica: &Replica, name: &str) {
    replica.snapshot(name, true, CREATED, &BTreeMap::new()).unwrap();
}
