//! Ends a process at every crash point and looks at what it leaves on the disk.
//!
//! A scenario is a list of [`Step`]s on one replica directory. A child process (this test binary again, with the test
//! [`child`](child::child)) runs it and notes in a log which step it begins and which one has been acknowledged. The
//! parent runs it once to the end, learns which crash points it reaches how often, and then once for each of them, with
//! the child killed there. After every kill it opens the directory with the library and asserts:
//!
//! - every acknowledged step is there, and the one in flight is there wholly or not at all: every snapshot shows
//!   exactly its bytes, the head its own, see [`model`];
//! - after that open and a close the directory holds nothing but the files of its layers, and metadata as Longhorn
//!   writes it;
//! - the rest of the scenario runs, and another snapshot can be taken.
//!
//! **To add an operation**: name its steps in `aurochs_engine::crash_point::ALL`, give [`Step`] a variant, say in
//! `steps.rs` how it is done and in `model.rs` what it changes for a reader, and put it into a scenario of
//! [`SCENARIOS`]. What an engine does with its replicas has a script in [`engine`]. A crash point that neither reaches
//! fails [`every_crash_point_is_reached`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod child;
mod clone;
mod engine;
mod lazy;
mod model;
#[path = "../parties/mod.rs"]
mod parties;
mod restore;
mod steps;

use std::collections::BTreeSet;

use aurochs_engine::crash_point;
use child::{Ended, Place};
use steps::Step;

/// One story of a replica directory.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether the directory keeps Longhorn's revision counter.
    pub(crate) revision_counter: bool,
    pub(crate) steps: &'static [Step],
}

/// A point that a scenario reaches more often than this is tried at so many of its times, spread evenly.
const TIMES_OF_ONE_POINT: usize = 24;

/// Children at a time: they mostly wait for syncs.
const CHILDREN: usize = 4;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "snapshots",
        revision_counter: true,
        steps: &[
            Step::Create { blocks: 8 },
            Step::Open,
            Step::Raise { epoch: 1 },
            Step::ClearRegions,
            Step::Write { block: 0, count: 4, byte: 1 },
            Step::Snapshot("a"),
            Step::Write { block: 1, count: 2, byte: 2 },
            Step::Flush,
            Step::ClearRegions,
            Step::Miss("v-r-2"),
            Step::Zero { block: 2, count: 1 },
            Step::Hash("a"),
            Step::PowerCut { block: 3, count: 1 },
            Step::Prepare("other"),
            Step::Prepare("b"),
            Step::Write { block: 6, count: 1, byte: 5 },
            Step::Snapshot("b"),
            Step::Write { block: 5, count: 1, byte: 3 },
            Step::Discard { block: 5, count: 1 },
            Step::Close,
            Step::Open,
            Step::Raise { epoch: 2 },
            Step::Write { block: 7, count: 1, byte: 4 },
            Step::Close,
            Step::Delete,
        ],
    },
    Scenario {
        name: "branches",
        revision_counter: false,
        steps: &[
            Step::Create { blocks: 4 },
            Step::Open,
            Step::Write { block: 0, count: 2, byte: 1 },
            Step::Snapshot("base"),
            Step::Write { block: 1, count: 2, byte: 2 },
            Step::Snapshot("left"),
            Step::Write { block: 3, count: 1, byte: 3 },
            Step::Revert("base"),
            Step::Revert("left"),
            Step::Write { block: 0, count: 1, byte: 4 },
            Step::Revert("base"),
            Step::Write { block: 3, count: 1, byte: 5 },
            Step::Snapshot("right"),
            Step::Remove("base"),
            Step::Remove("right"),
            Step::Revert("left"),
            Step::Snapshot("top"),
            Step::Revert("left"),
            Step::Remove("top"),
            Step::Close,
        ],
    },
    Scenario {
        name: "purge",
        revision_counter: false,
        steps: &[
            Step::Create { blocks: 12 },
            Step::Open,
            Step::Write { block: 0, count: 2, byte: 1 },
            Step::Snapshot("short"),
            Step::Write { block: 1, count: 2, byte: 2 },
            Step::Snapshot("kept"),
            Step::Write { block: 2, count: 8, byte: 3 },
            Step::Snapshot("leaf"),
            Step::Revert("kept"),
            Step::Write { block: 3, count: 3, byte: 4 },
            Step::Snapshot("middle"),
            Step::Write { block: 4, count: 3, byte: 5 },
            Step::Snapshot("under-head"),
            Step::Write { block: 6, count: 2, byte: 6 },
            Step::Close,
            Step::Shorten { snapshot: "short", blocks: 4 },
            Step::Open,
            Step::Mark("short"),
            Step::Mark("leaf"),
            Step::Mark("middle"),
            Step::Mark("under-head"),
            Step::Purge,
            Step::Write { block: 11, count: 1, byte: 7 },
            Step::Close,
        ],
    },
    Scenario {
        name: "rebuild",
        revision_counter: false,
        steps: &[
            Step::Create { blocks: 4 },
            Step::Open,
            Step::ClearRegions,
            Step::Write { block: 0, count: 4, byte: 9 },
            Step::Snapshot("old"),
            Step::Snapshot("both"),
            Step::Write { block: 0, count: 1, byte: 8 },
            Step::RebuildBegin { snapshots: &["both", "new"] },
            Step::Write { block: 3, count: 1, byte: 7 },
            Step::LayerWrite { snapshot: "both", block: 0, count: 2, byte: 1 },
            Step::Snapshot("meanwhile"),
            Step::LayerWrite { snapshot: "new", block: 1, count: 1, byte: 2 },
            Step::RebuildFinish,
            Step::Write { block: 2, count: 1, byte: 6 },
            Step::Close,
        ],
    },
    Scenario {
        name: "expansion",
        revision_counter: false,
        steps: &[
            Step::Create { blocks: 4 },
            Step::Open,
            Step::Write { block: 0, count: 4, byte: 1 },
            Step::ClearRegions,
            Step::Expand { blocks: 6 },
            Step::Write { block: 3, count: 2, byte: 2 },
            Step::Snapshot("a"),
            Step::Expand { blocks: 8 },
            Step::Write { block: 7, count: 1, byte: 3 },
            Step::Revert("a"),
            Step::Write { block: 7, count: 1, byte: 4 },
            Step::Close,
        ],
    },
    Scenario {
        name: "fill",
        revision_counter: true,
        steps: &[
            Step::Create { blocks: 4 },
            Step::Open,
            Step::FillBegin("s"),
            Step::FillWrite { block: 2, count: 2, byte: 1 },
            Step::FillWrite { block: 0, count: 1, byte: 0 },
            Step::FillFinish,
            Step::Write { block: 3, count: 1, byte: 2 },
            Step::Snapshot("later"),
            Step::Revert("s"),
            Step::Close,
        ],
    },
];

fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap()
}

/// Kills a child at each point and time that the scenario reaches.
fn kill_everywhere(name: &str) {
    let scenario = scenario(name);
    let kills: Vec<(String, usize)> = points(&child::list_points(scenario))
        .into_iter()
        .flat_map(|(point, times)| {
            let stride = times.div_ceil(TIMES_OF_ONE_POINT);
            (1..=times).step_by(stride).map(move |nth| (point.clone(), nth))
        })
        .collect();
    assert!(!kills.is_empty(), "{name} reaches no crash point");
    side_by_side(&kills, |(point, nth)| kill_at(scenario, point, *nth));
}

/// Does it for all of them, several at a time.
fn side_by_side<T: Sync>(all: &[T], each: impl Fn(&T) + Sync) {
    std::thread::scope(|threads| {
        for part in 0..CHILDREN {
            let each = &each;
            threads.spawn(move || all.iter().skip(part).step_by(CHILDREN).for_each(each));
        }
    });
}

fn kill_at(scenario: &Scenario, point: &str, nth: usize) {
    let place = Place::new(&format!("{}, killed at {point}:{nth}", scenario.name));
    let ended = child::run_scenario(scenario, &place, Some(&format!("{point}:{nth}")));
    assert_eq!(ended, Ended::Killed, "{}", place.what);
    model::check_after_crash(scenario, &place);
}

/// Names with how often each was reached, in the order of the first time.
fn points(reached: &[String]) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for name in reached {
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => *times += 1,
            None => found.push((name.clone(), 1)),
        }
    }
    found
}

#[test]
fn snapshots() {
    kill_everywhere("snapshots");
}

#[test]
fn branches() {
    kill_everywhere("branches");
}

#[test]
fn purge() {
    kill_everywhere("purge");
}

#[test]
fn rebuild() {
    kill_everywhere("rebuild");
}

#[test]
fn expansion() {
    kill_everywhere("expansion");
}

#[test]
fn fill() {
    kill_everywhere("fill");
}

#[test]
fn every_crash_point_is_reached() {
    let mut reached: BTreeSet<String> = SCENARIOS.iter().flat_map(child::list_points).collect();
    let of_volume = engine::list_points();
    reached.extend(of_volume.engine);
    reached.extend(of_volume.replicas.into_iter().flatten());
    reached.extend(engine::disasters::list_points());
    reached.extend(clone::list_points());
    reached.extend(lazy::list_points());
    reached.extend(restore::list_points());
    // Exports and backups change no replica; `tests/export.rs` and `tests/backups/crashes.rs` end them at each of
    // their own points.
    let ours = |point: &&&str| !point.starts_with("export.") && !point.starts_with("backup");
    let forgotten: Vec<_> = crash_point::ALL.iter().filter(ours).filter(|point| !reached.contains(**point)).collect();
    assert!(forgotten.is_empty(), "no scenario reaches {forgotten:?}");
}
