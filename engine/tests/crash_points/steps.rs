//! What a scenario is made of, and how each step is done with the library.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::replica::hash::HashControl;
use aurochs_engine::replica::{LayerInfo, OpenOptions, Replica, delete_directory};
use nix::fcntl::{FallocateFlags, fallocate};

pub(crate) const BLOCK: usize = 4096;
pub(crate) const CREATED: &str = "2026-11-21T02:06:49Z";
const FILL: &str = "one";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Create {
        blocks: usize,
    },
    Open,
    Close,
    Delete,
    Raise {
        epoch: u64,
    },
    Write {
        block: usize,
        count: usize,
        byte: u8,
    },
    Zero {
        block: usize,
        count: usize,
    },
    Discard {
        block: usize,
        count: usize,
    },
    Flush,
    /// A power cut while these blocks were written, and an open after it. Changes nothing for a reader.
    PowerCut {
        block: usize,
        count: usize,
    },
    /// Changes nothing for a reader.
    Prepare(&'static str),
    /// A round that makes all regions clean; changes nothing for a reader either.
    ClearRegions,
    /// Another replica has left.
    Miss(&'static str),
    Snapshot(&'static str),
    Revert(&'static str),
    Remove(&'static str),
    /// Only marked: nothing goes.
    Mark(&'static str),
    Purge,
    /// As if the snapshot was older than an expansion. Only while the replica is closed.
    Shorten {
        snapshot: &'static str,
        blocks: usize,
    },
    /// The source has these snapshots, root first, and its head on top of them.
    RebuildBegin {
        snapshots: &'static [&'static str],
    },
    LayerWrite {
        snapshot: &'static str,
        block: usize,
        count: usize,
        byte: u8,
    },
    RebuildFinish,
    /// Changes nothing for a reader.
    Hash(&'static str),
    Expand {
        blocks: usize,
    },
    FillBegin(&'static str),
    FillWrite {
        block: usize,
        count: usize,
        byte: u8,
    },
    FillFinish,
}

pub(crate) fn image_of(snapshot: &str) -> String {
    format!("volume-snap-{snapshot}.img")
}

/// Name of the snapshot that an expansion leaves.
pub(crate) fn left_by_expansion(blocks: usize) -> String {
    format!("expand-{}", bytes(blocks))
}

/// A replica directory and, while it is open, the replica.
pub(crate) struct Runner {
    pub(crate) dir: PathBuf,
    pub(crate) options: OpenOptions,
    pub(crate) replica: Option<Replica>,
}

impl Runner {
    pub(crate) fn new(dir: PathBuf, revision_counter: bool) -> Self {
        Self { dir, options: OpenOptions { revision_counter, ..OpenOptions::default() }, replica: None }
    }

    pub(crate) fn open(&mut self) -> &Replica {
        self.replica.insert(Replica::open(&self.dir, self.options).unwrap())
    }

    pub(crate) fn close(&mut self) {
        if let Some(replica) = self.replica.take() {
            replica.close().unwrap();
        }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    pub(crate) fn perform(&mut self, step: &Step) {
        match *step {
            Step::Create { blocks } => Replica::create(&self.dir, bytes(blocks), self.options).unwrap(),
            Step::Open => drop(self.open()),
            Step::Close => self.close(),
            Step::Delete => delete_directory(&self.dir).unwrap(),
            Step::Raise { epoch } => self.replica().raise_fence(epoch, 1).unwrap(),
            Step::Write { block, count, byte } => self.replica().write(bytes(block), &filled(byte, count)).unwrap(),
            Step::Zero { block, count } => self.replica().write_zeroes(bytes(block), bytes(count), false).unwrap(),
            Step::Discard { block, count } => drop(self.replica().discard(bytes(block), bytes(count)).unwrap()),
            Step::Flush => self.replica().flush().unwrap(),
            Step::PowerCut { block, count } => {
                let head = self.dir.join(self.replica().head_file());
                let head = std::fs::File::options().write(true).open(head).unwrap();
                // What a direct write into a hole leaves until it has ended.
                let (offset, length) = (bytes(block) as i64, bytes(count) as i64);
                fallocate(&head, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length).unwrap();
                self.replica().abandon();
                self.open();
            }
            Step::Miss(replica) => self.replica().begin_to_miss(replica, 3).map(drop).unwrap(),
            Step::ClearRegions => {
                let round = self.replica().begin_region_round().unwrap();
                self.replica().end_region_round(round).unwrap();
            }
            Step::Prepare(name) => self.replica().prepare_snapshot(name, true, CREATED, &labels()).unwrap(),
            Step::Snapshot(name) => self.replica().snapshot(name, true, CREATED, &labels()).unwrap(),
            Step::Revert(name) => self.replica().revert(name, CREATED).unwrap(),
            Step::Remove(name) => self.replica().remove_snapshot(name).unwrap(),
            Step::Mark(name) => self.replica().mark_removed(&[name.to_owned()]).unwrap(),
            Step::Purge => self.replica().purge().unwrap(),
            Step::Shorten { snapshot, blocks } => {
                let image = std::fs::File::options().write(true).open(self.dir.join(image_of(snapshot))).unwrap();
                image.set_len(bytes(blocks)).unwrap();
            }
            Step::RebuildBegin { snapshots } => {
                let layers = source_layers(snapshots, self.replica().size());
                self.replica().rebuild_begin(&layers).unwrap();
            }
            Step::LayerWrite { snapshot, block, count, byte } => {
                self.replica().layer_write(&image_of(snapshot), bytes(block), &filled(byte, count)).unwrap();
            }
            Step::RebuildFinish => self.replica().rebuild_finish().unwrap(),
            Step::Hash(name) => drop(self.replica().hash_snapshot(name, true, &HashControl::default()).unwrap()),
            Step::Expand { blocks } => self.replica().expand(bytes(blocks), CREATED).unwrap(),
            Step::FillBegin(name) => self.replica().fill_begin(FILL, name, self.replica().size()).unwrap(),
            Step::FillWrite { block, count, byte } => {
                self.replica().fill_write(FILL, bytes(block), &filled(byte, count)).unwrap();
            }
            Step::FillFinish => self.replica().fill_finish(FILL, CREATED).unwrap(),
        }
    }
}

fn bytes(blocks: usize) -> u64 {
    (blocks * BLOCK) as u64
}

fn filled(byte: u8, blocks: usize) -> AlignedBuf {
    AlignedBuf::copy_of(&vec![byte; blocks * BLOCK])
}

pub(crate) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("made-by".to_owned(), "a test".to_owned())])
}

/// What the source of a rebuild tells of its layers.
fn source_layers(snapshots: &[&str], size: u64) -> Vec<LayerInfo> {
    let mut parent = String::new();
    let mut layers = Vec::new();
    for (file_name, is_head) in
        snapshots.iter().map(|name| (image_of(name), false)).chain([("volume-head-007.img".to_owned(), true)])
    {
        layers.push(LayerInfo {
            parent: std::mem::replace(&mut parent, file_name.clone()),
            file_name,
            removed: false,
            user_created: !is_head,
            created: CREATED.to_owned(),
            labels: if is_head { BTreeMap::new() } else { labels() },
            allocated_bytes: 0,
            file_size: size,
            is_head,
            image_missing: false,
        });
    }
    layers
}
