//! Random histories against a model in memory: after every step the head and every snapshot read as the model says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{BLOCK, CREATED, Replica, Scratch, filled, head_bytes, put, take};

const BLOCKS: usize = 12;
const SIZE: usize = BLOCKS * BLOCK;
const HISTORIES: u32 = 300;
/// A seed to repeat: 64 hex digits, as a failing run prints them.
const SEED_VARIABLE: &str = "AUROCHS_TEST_SEED";

#[derive(Clone, Debug)]
enum Step {
    Write {
        offset: usize,
        length: usize,
        byte: u8,
    },
    Zero {
        offset: usize,
        length: usize,
        may_unmap: bool,
    },
    Discard {
        offset: usize,
        length: usize,
    },
    Snapshot,
    /// To the snapshot of this number, counted round the live ones.
    Revert(usize),
    Remove(usize),
    Reopen {
        clean: bool,
    },
    Flush,
}

/// Ranges with and without whole blocks.
fn range() -> impl Strategy<Value = (usize, usize)> {
    let blocks =
        (0..BLOCKS).prop_flat_map(|start| (1..=BLOCKS - start).prop_map(move |count| (start * BLOCK, count * BLOCK)));
    let bytes =
        (0..SIZE).prop_flat_map(|start| (1..=(SIZE - start).min(3 * BLOCK)).prop_map(move |length| (start, length)));
    prop_oneof![blocks, bytes]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (range(), 1_u8..).prop_map(|((offset, length), byte)| Step::Write { offset, length, byte }),
        3 => (range(), any::<bool>())
            .prop_map(|((offset, length), may_unmap)| Step::Zero { offset, length, may_unmap }),
        3 => range().prop_map(|(offset, length)| Step::Discard { offset, length }),
        3 => Just(Step::Snapshot),
        1 => any::<usize>().prop_map(Step::Revert),
        1 => any::<usize>().prop_map(Step::Remove),
        2 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
        1 => Just(Step::Flush),
    ]
}

#[derive(Clone, Default)]
struct Layer {
    parent: Option<usize>,
    removed: bool,
    blocks: BTreeMap<usize, Vec<u8>>,
}

/// What the directory should hold.
#[derive(Default)]
struct Model {
    head: Layer,
    snapshots: BTreeMap<usize, Layer>,
    next: usize,
}

fn snapshot_name(number: usize) -> String {
    format!("s{number}")
}

impl Model {
    fn lower_block(&self, mut parent: Option<usize>, block: usize) -> Option<&Vec<u8>> {
        while let Some(number) = parent {
            let layer = &self.snapshots[&number];
            if let Some(data) = layer.blocks.get(&block) {
                return Some(data);
            }
            parent = layer.parent;
        }
        None
    }

    fn content(&self, layer: &Layer) -> Vec<u8> {
        let mut content = vec![0; SIZE];
        for (block, place) in content.chunks_mut(BLOCK).enumerate() {
            if let Some(data) = layer.blocks.get(&block).or_else(|| self.lower_block(layer.parent, block)) {
                place.copy_from_slice(data);
            }
        }
        content
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let mut content = self.content(&self.head);
        content[offset..offset + data.len()].copy_from_slice(data);
        for block in offset / BLOCK..(offset + data.len()).div_ceil(BLOCK) {
            self.head.blocks.insert(block, content[block * BLOCK..(block + 1) * BLOCK].to_vec());
        }
    }

    fn zero(&mut self, offset: usize, length: usize, may_unmap: bool) {
        self.write(offset, &vec![0; length]);
        for block in offset.div_ceil(BLOCK)..(offset + length) / BLOCK {
            if may_unmap && self.lower_block(self.head.parent, block).is_none() {
                self.head.blocks.remove(&block);
            }
        }
    }

    /// Returns the bytes freed.
    fn discard(&mut self, offset: usize, length: usize) -> usize {
        let blocks = offset.div_ceil(BLOCK)..(offset + length) / BLOCK;
        let run = self.discardable();
        let mut freed = 0;
        for block in blocks {
            freed += usize::from(self.head.blocks.remove(&block).is_some());
            for number in &run {
                let layer = self.snapshots.get_mut(number).unwrap();
                freed += usize::from(layer.blocks.remove(&block).is_some());
            }
        }
        freed * BLOCK
    }

    /// Removed layers directly below the head, down to the first on which two layers stand that matter.
    fn discardable(&self) -> Vec<usize> {
        let mut run = Vec::new();
        let mut at = self.head.parent;
        while let Some(number) = at
            && self.snapshots[&number].removed
            && !self.snapshots.iter().any(|(other, layer)| {
                layer.parent == Some(number) && run.last().is_none_or(|last| last != other) && self.matters(*other)
            })
        {
            run.push(number);
            at = self.snapshots[&number].parent;
        }
        run
    }

    fn matters(&self, number: usize) -> bool {
        let mut children = self.snapshots.iter().filter(|(_, layer)| layer.parent == Some(number));
        !self.snapshots[&number].removed || children.any(|(child, _)| self.matters(*child))
    }

    fn snapshot(&mut self) -> usize {
        let number = self.next;
        self.next += 1;
        self.snapshots.insert(number, std::mem::take(&mut self.head));
        self.head.parent = Some(number);
        number
    }

    fn choose(&self, choice: usize) -> Option<usize> {
        let live: Vec<_> =
            self.snapshots.iter().filter(|(_, layer)| !layer.removed).map(|(number, _)| *number).collect();
        (!live.is_empty()).then(|| live[choice % live.len()])
    }

    fn remove(&mut self, number: usize) {
        self.snapshots.get_mut(&number).unwrap().removed = true;
        // Every removed layer that nothing stands on goes, those that a revert left without a child included.
        let leaf = |model: &Self| {
            let stands_on = |number| Some(number) == model.head.parent;
            let removed = model.snapshots.iter().filter(|(_, layer)| layer.removed).map(|(number, _)| *number);
            let mut removed = removed.filter(|number| !stands_on(*number));
            removed.find(|number| model.snapshots.values().all(|layer| layer.parent != Some(*number)))
        };
        while let Some(number) = leaf(self) {
            self.snapshots.remove(&number);
        }
    }
}

struct Run {
    scratch: Scratch,
    replica: Replica,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let scratch = Scratch::new(BLOCKS);
        let replica = scratch.open();
        Self { scratch, replica, model: Model::default() }
    }

    fn step(mut self, step: &Step) -> Self {
        let (replica, model) = (&self.replica, &mut self.model);
        match *step {
            Step::Write { offset, length, byte } => {
                replica.write(offset as u64, &filled(byte, length)).unwrap();
                model.write(offset, &vec![byte; length]);
            }
            Step::Zero { offset, length, may_unmap } => {
                replica.write_zeroes(offset as u64, length as u64, may_unmap).unwrap();
                model.zero(offset, length, may_unmap);
            }
            Step::Discard { offset, length } => {
                let freed = replica.discard(offset as u64, length as u64).unwrap();
                assert_eq!(freed as usize, model.discard(offset, length));
            }
            Step::Snapshot => take(replica, &snapshot_name(model.snapshot())),
            Step::Revert(choice) => {
                if let Some(number) = model.choose(choice) {
                    replica.revert(&snapshot_name(number), CREATED).unwrap();
                    model.head = Layer { parent: Some(number), ..Layer::default() };
                }
            }
            Step::Remove(choice) => {
                if let Some(number) = model.choose(choice) {
                    replica.remove_snapshot(&snapshot_name(number)).unwrap();
                    model.remove(number);
                }
            }
            Step::Flush => replica.flush().unwrap(),
            Step::Reopen { clean } => {
                if clean {
                    replica.close().unwrap();
                }
                let Self { scratch, replica, model } = self;
                drop(replica);
                let replica = scratch.open();
                assert_eq!(replica.was_dirty(), !clean);
                return Self { scratch, replica, model };
            }
        }
        self
    }

    fn check(&self) {
        let whole = u32::try_from(SIZE).unwrap();
        let head = self.model.content(&self.model.head);
        assert!(self.replica.read(0, whole).unwrap()[..] == head[..], "the head differs");
        // The ways of a read that begins and ends inside a block.
        assert_eq!(self.replica.read(1000, 9000).unwrap()[..], head[1000..10000]);
        let mut files = vec![self.replica.head_file()];
        for (number, layer) in &self.model.snapshots {
            let file = format!("volume-snap-{}.img", snapshot_name(*number));
            let content = self.replica.read_layer_chain(&file, 0, whole).unwrap();
            assert!(content[..] == self.model.content(layer)[..], "{file} differs");
            files.push(file);
        }
        files.sort();
        let layers = self.replica.layers().unwrap();
        assert_eq!(layers.iter().map(|layer| layer.file_name.clone()).collect::<Vec<_>>(), files);
        for layer in layers {
            let held: u64 = self
                .replica
                .layer_extents(&layer.file_name, 0, usize::MAX)
                .unwrap()
                .iter()
                .map(|extent| extent.1)
                .sum();
            let number = layer.file_name.strip_prefix("volume-snap-s").and_then(|rest| rest.strip_suffix(".img"));
            let model = number.map_or(&self.model.head, |number| &self.model.snapshots[&number.parse().unwrap()]);
            assert_eq!(held as usize, model.blocks.len() * BLOCK, "{}", layer.file_name);
        }
    }
}

fn seed() -> [u8; 32] {
    let Ok(text) = std::env::var(SEED_VARIABLE) else {
        return rand::random();
    };
    let digits = |index: usize| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    std::array::from_fn(digits)
}

#[test]
fn every_history_reads_as_the_model() {
    let seed = seed();
    let text = seed.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    println!("{SEED_VARIABLE}={text}");
    let config = Config { cases: HISTORIES, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let histories = proptest::collection::vec(step(), 1..20);
    runner
        .run(&histories, |history| {
            let mut run = Run::new();
            for step in &history {
                run = run.step(step);
                run.check();
            }
            Ok(())
        })
        .unwrap();
}

/// Threads write rising numbers into their own blocks while snapshots are taken: each snapshot stays as it was when
/// it was taken, and no number ever goes back.
#[test]
fn snapshots_under_concurrent_writes_never_change() {
    let scratch = Scratch::new(BLOCKS);
    let replica = scratch.open();
    let stop = AtomicBool::new(false);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    std::thread::scope(|scope| {
        for block in 0..4 {
            let (replica, stop) = (&replica, &stop);
            scope.spawn(move || {
                for round in 1..=250 {
                    put(replica, block * 3, 3, round);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for number in 0..12 {
            take(&replica, &snapshot_name(number));
            seen.push(super::bytes_in(&replica, &format!("volume-snap-{}.img", snapshot_name(number))));
        }
        stop.store(true, Ordering::Relaxed);
    });
    seen.push(head_bytes(&replica));
    drop(replica);
    let replica = scratch.open();
    for (number, expected) in seen[..12].iter().enumerate() {
        assert_eq!(super::bytes_in(&replica, &format!("volume-snap-{}.img", snapshot_name(number))), *expected);
    }
    assert_eq!(head_bytes(&replica), seen[12]);
    for pair in seen.windows(2) {
        assert!(pair[0].iter().zip(&pair[1]).all(|(before, after)| before <= after), "{pair:?}");
    }
}
