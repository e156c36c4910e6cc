//! Two members of one volume go through the same random history, each purging at its own pace and crashing between
//! steps, against a model that knows nothing of purges: what is seen from the head and from every live snapshot is
//! what the model says, on both, after every step.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::PurgeRun;
use super::super::purge::Step as PurgeStep;
use super::super::tree::Tree;
use super::{BLOCK, CREATED, Replica, Scratch, filled, take};

const BLOCKS: usize = 10;
const SIZE: usize = BLOCKS * BLOCK;
const HISTORIES: u32 = 100;
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
        block: usize,
        count: usize,
    },
    /// As with `unmap-mark-snap-chain-removed`.
    DiscardChain {
        block: usize,
        count: usize,
    },
    Snapshot,
    Revert(usize),
    Mark(usize),
    DeleteLeaves(usize),
    /// So many steps of a purge on one member; it stays where it is then.
    Purge {
        member: usize,
        steps: usize,
    },
    PurgeAll(usize),
    Reopen {
        member: usize,
        clean: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let blocks = || (0..BLOCKS).prop_flat_map(|block| (1..=BLOCKS - block).prop_map(move |count| (block, count)));
    let bytes = prop_oneof![
        blocks().prop_map(|(block, count)| (block * BLOCK, count * BLOCK)),
        (0..SIZE).prop_flat_map(|start| (1..=(SIZE - start).min(2 * BLOCK)).prop_map(move |length| (start, length))),
    ];
    let member = || 0..2_usize;
    prop_oneof![
        6 => (bytes.clone(), 1_u8..).prop_map(|((offset, length), byte)| Step::Write { offset, length, byte }),
        2 => (bytes, any::<bool>()).prop_map(|((offset, length), may_unmap)| Step::Zero { offset, length, may_unmap }),
        4 => blocks().prop_map(|(block, count)| Step::Discard { block, count }),
        1 => blocks().prop_map(|(block, count)| Step::DiscardChain { block, count }),
        6 => Just(Step::Snapshot),
        2 => any::<usize>().prop_map(Step::Revert),
        5 => any::<usize>().prop_map(Step::Mark),
        1 => member().prop_map(Step::DeleteLeaves),
        5 => (member(), 1..5_usize).prop_map(|(member, steps)| Step::Purge { member, steps }),
        2 => member().prop_map(Step::PurgeAll),
        2 => (member(), any::<bool>()).prop_map(|(member, clean)| Step::Reopen { member, clean }),
    ]
}

/// What is seen from each layer; layers that were removed stay in the model for ever.
struct Model {
    head: Vec<u8>,
    head_parent: Option<usize>,
    snapshots: Vec<Snapshot>,
}

struct Snapshot {
    parent: Option<usize>,
    removed: bool,
    content: Vec<u8>,
}

fn name(number: usize) -> String {
    format!("s{number}")
}

impl Model {
    fn matters(&self, number: usize) -> bool {
        let mut snapshots = self.snapshots.iter().enumerate();
        !self.snapshots[number].removed
            || self.head_parent == Some(number)
            || snapshots.any(|(child, snapshot)| snapshot.parent == Some(number) && self.matters(child))
    }

    fn is_shared(&self, number: usize) -> bool {
        let on_it = self.snapshots.iter().enumerate().filter(|(_, snapshot)| snapshot.parent == Some(number));
        on_it.filter(|(child, _)| self.matters(*child)).count() + usize::from(self.head_parent == Some(number)) > 1
    }

    fn chain(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(self.head_parent, |number| self.snapshots[*number].parent)
    }

    fn discard(&mut self, block: usize, count: usize) {
        let seen = self.chain().find(|number| !self.snapshots[*number].removed || self.is_shared(*number));
        let range = block * BLOCK..(block + count) * BLOCK;
        let below = seen.map_or(vec![0; range.len()], |number| self.snapshots[number].content[range.clone()].to_vec());
        self.head[range].copy_from_slice(&below);
    }

    fn mark_chain(&mut self) {
        let chain: Vec<usize> = self.chain().take_while(|number| !self.is_shared(*number)).collect();
        for number in chain {
            self.snapshots[number].removed = true;
        }
    }

    fn live(&self, choice: usize) -> Option<usize> {
        let live: Vec<usize> = (0..self.snapshots.len()).filter(|number| !self.snapshots[*number].removed).collect();
        (!live.is_empty()).then(|| live[choice % live.len()])
    }
}

struct Member {
    scratch: Scratch,
    replica: Replica,
    purge: Option<PurgeRun>,
}

impl Member {
    fn new() -> Self {
        let scratch = Scratch::new(BLOCKS);
        let replica = scratch.open();
        Self { scratch, replica, purge: None }
    }

    fn purge_some(&mut self, steps: usize) {
        for _ in 0..steps {
            let run = self.purge.take();
            let Some(mut run) = run.or_else(|| self.replica.begin_purge().unwrap()) else { return };
            match run.step(&self.replica) {
                Ok(PurgeStep::More) => self.purge = Some(run),
                Ok(PurgeStep::Done) => return,
                // A revert has stopped it.
                Err(error) => assert!(error.to_string().contains("stopped"), "{error}"),
            }
        }
    }

    fn reopen(self, clean: bool) -> Self {
        let Self { scratch, replica, purge } = self;
        if clean {
            replica.close().unwrap();
        }
        drop((purge, replica));
        let replica = scratch.open();
        Self { scratch, replica, purge: None }
    }

    fn check(&self, model: &Model) {
        let whole = u32::try_from(SIZE).unwrap();
        assert!(self.replica.read(0, whole).unwrap()[..] == model.head[..], "the head differs");
        for (number, snapshot) in model.snapshots.iter().enumerate().filter(|(_, snapshot)| !snapshot.removed) {
            let file = format!("volume-snap-{}.img", name(number));
            let content = self.replica.read_layer_chain(&file, 0, whole).unwrap();
            assert!(content[..] == snapshot.content[..], "{file} differs");
        }
    }
}

fn run_step(step: &Step, mut members: Vec<Member>, model: &mut Model) -> Vec<Member> {
    match *step {
        Step::Write { offset, length, byte } => {
            members.iter().for_each(|member| member.replica.write(offset as u64, &filled(byte, length)).unwrap());
            model.head[offset..offset + length].fill(byte);
        }
        Step::Zero { offset, length, may_unmap } => {
            for member in &members {
                member.replica.write_zeroes(offset as u64, length as u64, may_unmap).unwrap();
            }
            model.head[offset..offset + length].fill(0);
        }
        Step::Discard { block, count } => {
            members.iter().for_each(|member| discard(member, block, count));
            model.discard(block, count);
        }
        Step::DiscardChain { block, count } => {
            for member in &members {
                let layers = member.replica.layers().unwrap();
                let markable = Tree::of_layers(&layers).markable();
                let names = markable.iter().map(|file| file["volume-snap-".len()..file.len() - 4].to_owned());
                member.replica.mark_removed(&names.collect::<Vec<_>>()).unwrap();
                discard(member, block, count);
            }
            model.mark_chain();
            model.discard(block, count);
        }
        Step::Snapshot => {
            let number = model.snapshots.len();
            members.iter().for_each(|member| take(&member.replica, &name(number)));
            let snapshot = Snapshot { parent: model.head_parent, removed: false, content: model.head.clone() };
            model.snapshots.push(snapshot);
            model.head_parent = Some(number);
        }
        Step::Revert(choice) => {
            if let Some(number) = model.live(choice) {
                members.iter().for_each(|member| member.replica.revert(&name(number), CREATED).unwrap());
                model.head = model.snapshots[number].content.clone();
                model.head_parent = Some(number);
            }
        }
        Step::Mark(choice) => {
            if let Some(number) = model.live(choice) {
                members.iter().for_each(|member| member.replica.mark_removed(&[name(number)]).unwrap());
                model.snapshots[number].removed = true;
            }
        }
        Step::DeleteLeaves(member) => members[member].replica.delete_removed_leaves().unwrap(),
        Step::Purge { member, steps } => members[member].purge_some(steps),
        Step::PurgeAll(member) => members[member].purge_some(usize::MAX),
        Step::Reopen { member, clean } => {
            let reopened = members.remove(member).reopen(clean);
            members.insert(member, reopened);
        }
    }
    members
}

fn discard(member: &Member, block: usize, count: usize) {
    member.replica.discard((block * BLOCK) as u64, (count * BLOCK) as u64).unwrap();
}

/// Members agree in the words of a start, and a full purge leaves nothing that can go.
fn check_end(mut members: Vec<Member>, model: &Model) {
    let layers: Vec<_> = members.iter().map(|member| member.replica.layers().unwrap()).collect();
    assert_eq!(Tree::of_layers(&layers[0]).live_view(), Tree::of_layers(&layers[1]).live_view());
    for member in &mut members {
        member.purge = None;
        member.replica.stop_purge("the history is over");
        member.replica.purge().unwrap();
        member.check(model);
    }
    let names = |member: &Member| -> BTreeMap<String, String> {
        let layers = member.replica.layers().unwrap().into_iter().filter(|layer| !layer.is_head);
        layers.map(|layer| (layer.file_name, layer.parent)).collect()
    };
    assert_eq!(names(&members[0]), names(&members[1]), "both have purged everything");
    for member in members {
        member.reopen(false).check(model);
    }
}

fn seed() -> [u8; 32] {
    let Ok(text) = std::env::var(SEED_VARIABLE) else {
        return rand::random();
    };
    std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
}

#[test]
fn members_that_purge_at_their_own_pace_show_the_same() {
    let seed = seed();
    println!("{SEED_VARIABLE}={}", seed.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let config = Config { cases: HISTORIES, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let histories = proptest::collection::vec(step(), 1..32);
    runner
        .run(&histories, |history| {
            let mut members = vec![Member::new(), Member::new()];
            let mut model = Model { head: vec![0; SIZE], head_parent: None, snapshots: Vec::new() };
            for step in &history {
                members = run_step(step, members, &mut model);
                members.iter().for_each(|member| member.check(&model));
            }
            check_end(members, &model);
            Ok(())
        })
        .unwrap();
}
