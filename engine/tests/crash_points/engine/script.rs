//! What the engine does, step by step, until it is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::instance::records::RecordFiles;
use aurochs_engine::link::Address;
use aurochs_engine::volume::Volume;
use aurochs_engine::volume::record::{Epoch, Generation, Keeper, KeeperError, Record};
use aurochs_engine::volume::start::StartOptions;

use super::{MEMBERS, REPLICAS, SIZE};
use crate::child;
use crate::steps::{BLOCK, Step, labels};

pub(super) const VOLUME: &str = "v";
/// Longest wait for a rebuild of this small volume.
const PATIENCE: Duration = Duration::from_secs(60);

/// A step of the script. Those of a replica's directory have their meaning for the volume's content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Start,
    /// The third replica is away.
    StartWithoutThird,
    Do(Step),
    /// The third replica joins, or fails to.
    Join,
    /// The engine goes without a word, and everything it knew with it.
    Vanish,
    Close,
}

impl Act {
    pub(super) fn step(&self) -> Option<Step> {
        match self {
            Self::Do(step) => Some(*step),
            _ => None,
        }
    }
}

pub(super) const ACTS: &[Act] = &[
    Act::Start,
    Act::Do(Step::Write { block: 0, count: 8, byte: 1 }),
    Act::Do(Step::Flush),
    Act::Do(Step::Snapshot("a")),
    Act::Do(Step::Write { block: 4, count: 8, byte: 2 }),
    Act::Do(Step::Hash("a")),
    Act::Do(Step::Snapshot("b")),
    Act::Do(Step::Write { block: 20, count: 3, byte: 3 }),
    Act::Do(Step::Flush),
    Act::Do(Step::Revert("a")),
    Act::Do(Step::Zero { block: 1, count: 2 }),
    Act::Do(Step::Discard { block: 1, count: 1 }),
    Act::Do(Step::Remove("b")),
    Act::Vanish,
    Act::Start,
    Act::Do(Step::Write { block: 30, count: 4, byte: 4 }),
    Act::Join,
    Act::Do(Step::Write { block: 31, count: 1, byte: 5 }),
    Act::Do(Step::ClearRegions),
    Act::Vanish,
    Act::StartWithoutThird,
    Act::Do(Step::Write { block: 40, count: 2, byte: 8 }),
    Act::Join,
    Act::Do(Step::Snapshot("c")),
    Act::Do(Step::Write { block: 63, count: 1, byte: 6 }),
    Act::Do(Step::Expand { blocks: 96 }),
    Act::Do(Step::Write { block: 90, count: 3, byte: 7 }),
    Act::Close,
];

pub(super) fn socket(root: &Path, replica: &str) -> PathBuf {
    root.join(format!("{replica}.sock"))
}

fn address(root: &Path, replica: &str) -> Address {
    Address::Unix(socket(root, replica))
}

/// The node's control records, without the instance manager between.
#[derive(Clone)]
pub(super) struct Records(RecordFiles);

impl Records {
    pub(super) fn open(root: &Path) -> Self {
        Self(RecordFiles::open(&root.join("records")).unwrap())
    }

    pub(super) fn record(&self) -> Record {
        self.0.get(VOLUME).unwrap().unwrap()
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeeperError>> + Send + 'a>>;

impl Keeper for Records {
    fn get<'a>(&'a self, volume: &'a str) -> Answer<'a, Record> {
        Box::pin(async move { self.0.get(volume)?.ok_or_else(|| KeeperError::Missing(volume.to_owned())) })
    }

    fn compare_and_set<'a>(&'a self, epoch: Epoch, generation: Generation, next: &'a Record) -> Answer<'a, ()> {
        Box::pin(async move { self.0.compare_and_set(epoch, generation, next).map(drop) })
    }
}

/// Raises the epoch and starts an engine, as a manager does; the first time it makes the record.
pub(super) async fn start(root: &Path, records: &Records, running: &[&str]) -> Volume {
    let now = records.0.get(VOLUME).unwrap();
    let next = match &now {
        Some(now) => Record { epoch: Epoch(now.epoch.0 + 1), ..now.clone() },
        None => Record {
            volume: VOLUME.to_owned(),
            epoch: Epoch(1),
            generation: Generation(1),
            members: REPLICAS[..MEMBERS].iter().map(|name| (*name).to_owned()).collect(),
            clean: true,
            ..Record::default()
        },
    };
    let now = now.unwrap_or_default();
    records.0.compare_and_set(now.epoch, now.generation, &next).unwrap();
    let replicas: BTreeMap<_, _> = running.iter().map(|name| ((*name).to_owned(), address(root, name))).collect();
    let options = StartOptions { volume: VOLUME.to_owned(), size: SIZE, epoch: next.epoch, replicas, salvage: false };
    Volume::start(options, Arc::new(records.clone())).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Rebuilds a replica and waits until it is a member, or the reason why not.
pub(super) async fn add_replica(volume: &Volume, root: &Path, name: &str) -> Result<(), String> {
    volume.add_replica(name, address(root, name)).await.map_err(|error| error.to_string())?;
    let over = async {
        loop {
            let status = volume.status();
            let rebuild = status.rebuilds.iter().find(|rebuild| rebuild.replica == name).unwrap();
            if !rebuild.running {
                return rebuild.error.clone();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let error = tokio::time::timeout(PATIENCE, over).await.map_err(|_| "the rebuild does not end".to_owned())?;
    if error.is_empty() { Ok(()) } else { Err(error) }
}

async fn perform(volume: &Volume, step: &Step) {
    let bytes = |blocks: usize| (blocks * BLOCK) as u64;
    match *step {
        Step::Write { block, count, byte } => {
            let data = AlignedBuf::copy_of(&vec![byte; count * BLOCK]);
            volume.write(bytes(block), data, Durability::Written).await.unwrap();
        }
        Step::Zero { block, count } => {
            volume.write_zeroes(bytes(block), bytes(count), false, Durability::Written).await.unwrap();
        }
        Step::Discard { block, count } => volume.discard(bytes(block), bytes(count)).await.unwrap(),
        Step::Flush => volume.flush().await.unwrap(),
        Step::Snapshot(name) => drop(volume.snapshot(name, labels(), true).await.unwrap()),
        Step::Revert(name) => volume.revert(name).await.unwrap(),
        Step::Remove(name) => volume.remove_snapshot(name).await.unwrap(),
        Step::Hash(name) => hash(volume, name).await,
        Step::Expand { blocks } => volume.expand(bytes(blocks), std::future::ready(Ok(()))).await.unwrap(),
        Step::ClearRegions => clear(volume).await,
        _ => panic!("{step:?} is no step of a volume"),
    }
}

/// Until it was possible: nothing differs any more, and nobody left meanwhile.
async fn clear(volume: &Volume) {
    let cleared = async {
        while !volume.clear_dirty_regions().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cleared).await.unwrap();
}

/// Until every member has done it, or is gone.
async fn hash(volume: &Volume, name: &str) {
    volume.hash_snapshot(name, true).await.unwrap();
    let over = async {
        while volume.status().hash.is_none_or(|hash| hash.running) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.unwrap();
}

/// The engine's whole life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn engine() {
    let Some((_, root, mut log)) = child::called() else {
        return;
    };
    let records = Records::open(&root);
    let new_runtime = || tokio::runtime::Runtime::new().unwrap();
    let mut runtime = new_runtime();
    let mut volume = None;
    for (index, act) in ACTS.iter().enumerate() {
        log.note(&format!("begin {index}"));
        match act {
            Act::Start => volume = Some(runtime.block_on(start(&root, &records, &REPLICAS))),
            Act::StartWithoutThird => volume = Some(runtime.block_on(start(&root, &records, &REPLICAS[..2]))),
            Act::Do(step) => runtime.block_on(perform(volume.as_ref().unwrap(), step)),
            Act::Join => {
                if let Err(error) = runtime.block_on(add_replica(volume.as_ref().unwrap(), &root, REPLICAS[2])) {
                    log.note(&format!("not joined: {error}"));
                }
            }
            Act::Vanish => {
                volume = None;
                std::mem::replace(&mut runtime, new_runtime()).shutdown_background();
            }
            Act::Close => runtime.block_on(volume.take().unwrap().close()).unwrap(),
        }
        log.note(&format!("done {index}"));
    }
}
