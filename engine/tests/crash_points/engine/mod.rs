//! The same for a volume: an engine and its replicas, each a process of its own, any of which is killed.
//!
//! The engine is a child of this test ([`script`]), so that what it does is a list of steps; the replicas are the real
//! binary ([`party`]). The crash point reaches only the process it is meant for. After a kill the engine goes on if it
//! lives; then everything is ended, the replicas are started again as a node does, and a new engine starts with the
//! next epoch. It must show every acknowledged step and the one in flight wholly or not at all; replicas that are no
//! members any more are rebuilt; and in the end all directories, opened without any engine, show the same snapshots and
//! the same bytes.

pub(super) mod disasters;
mod party;
pub(super) mod script;

use std::collections::{BTreeMap, BTreeSet};

use aurochs_engine::frontend::BlockDevice;
use aurochs_engine::volume::Volume;

use self::party::{Party, content_on_disk};
use self::script::{ACTS, Act, Records, VOLUME, add_replica, start};
use crate::child::{self, Ended, Place};
use crate::model::{Content, Model, fill_bytes};
use crate::steps::Step;

/// The replicas: two members from the start, and one that joins.
pub(super) const REPLICAS: [&str; 3] = ["v-r-1", "v-r-2", "v-r-3"];
pub(super) const MEMBERS: usize = 2;
pub(super) const BLOCKS: usize = 64;
const SIZE: u64 = (BLOCKS * crate::steps::BLOCK) as u64;

/// A point that is reached more often than this is tried at so many of its times.
const TIMES_OF_ONE_POINT: usize = 4;

/// Where which process is killed.
#[derive(Clone, Debug, Default)]
struct Kill {
    engine: Option<String>,
    /// Index in [`REPLICAS`], and the point.
    replica: Option<(usize, String)>,
}

/// Runs the script, with these kills, to the end that they make for it. Returns how the engine ended.
fn run(place: &Place, kill: &Kill) -> Ended {
    let crash_at = |index: usize| kill.replica.as_ref().filter(|(at, _)| *at == index).map(|(_, point)| point.as_str());
    // The others are killed when this returns.
    let parties: Vec<Party> = (0..REPLICAS.len()).map(|index| Party::start(place, index, crash_at(index))).collect();
    let ended = child::run("engine::script::engine", VOLUME, place, kill.engine.as_deref());
    for (index, mut party) in parties.into_iter().enumerate().filter(|(index, _)| crash_at(*index).is_some()) {
        assert!(party.ends_by_itself(), "{}: {} did not reach it", place.what, REPLICAS[index]);
    }
    ended
}

/// Starts again in the normal way and looks at everything.
fn check(place: &Place) {
    let (done, begun) = place.progress();
    let steps = |count: usize| ACTS[..count].iter().filter_map(Act::step).collect::<Vec<Step>>();
    let (before, after) = (model(&steps(done)), model(&steps(done + usize::from(begun))));
    let mut parties: Vec<Party> = (0..REPLICAS.len()).map(|index| Party::start(place, index, None)).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let head = runtime.block_on(async {
        let records = Records::open(&place.root());
        let volume = start(&place.root(), &records, &REPLICAS).await;
        let head = read_all(&volume).await;
        let members = records.record().members;
        for name in REPLICAS.iter().filter(|name| !members.contains(**name)) {
            add_replica(&volume, &place.root(), name).await.unwrap_or_else(|error| panic!("{}: {error}", place.what));
        }
        assert_eq!(read_all(&volume).await, head, "{}: after a rebuild", place.what);
        volume.close().await.unwrap();
        assert_eq!(records.record().members, REPLICAS.map(str::to_owned).into(), "{}", place.what);
        head
    });
    parties.iter_mut().for_each(Party::stop);
    let contents: Vec<Content> = (0..REPLICAS.len()).map(|index| content_on_disk(place, index)).collect();
    for (name, content) in REPLICAS.iter().zip(&contents) {
        assert_eq!(content, &contents[0], "{}: {name} differs from {}", place.what, REPLICAS[0]);
        assert_eq!(content.head, head, "{}: {name} differs from what the engine read", place.what);
    }
    let found = of_user(&contents[0]);
    let expected = [before, after];
    assert!(expected.contains(&found), "{}: {found:?} is neither of {expected:?}", place.what);
}

fn model(steps: &[Step]) -> Content {
    let mut all = vec![Step::Create { blocks: BLOCKS }];
    all.extend(steps);
    of_user(&Model::after(&all).content())
}

/// Without the snapshots that rebuilds and expansions take.
fn of_user(content: &Content) -> Content {
    let is_of_user = |name: &String| !name.contains('-');
    let snapshots: BTreeMap<_, _> =
        content.snapshots.iter().filter(|(name, _)| is_of_user(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    Content { head: content.head.clone(), snapshots }
}

async fn read_all(volume: &Volume) -> Vec<u8> {
    fill_bytes(&volume.read(0, u32::try_from(volume.size()).unwrap()).await.unwrap())
}

/// Points that the engine, and each replica, reaches in a run to the end.
pub(super) struct Reached {
    pub(super) engine: Vec<String>,
    pub(super) replicas: Vec<Vec<String>>,
}

pub(super) fn list_points() -> Reached {
    let place = Place::new("a whole run");
    assert_eq!(run(&place, &Kill::default()), Ended::WithSuccess);
    let replicas = (0..REPLICAS.len()).map(|index| party::listed_points(&place, index)).collect();
    let reached = Reached { engine: place.listed_points(), replicas };
    check(&place);
    reached
}

fn some_times(reached: &[String]) -> Vec<String> {
    let some = |(point, times): (String, usize)| {
        let stride = times.div_ceil(TIMES_OF_ONE_POINT);
        (1..=times).step_by(stride).map(move |nth| format!("{point}:{nth}"))
    };
    crate::points(reached).into_iter().flat_map(some).collect()
}

fn kill_each(kills: &[Kill]) {
    assert!(!kills.is_empty());
    crate::side_by_side(kills, |kill| {
        let place = Place::new(&format!("{kill:?}"));
        let ended = run(&place, kill);
        let expected = if kill.engine.is_some() { Ended::Killed } else { Ended::WithSuccess };
        assert_eq!(ended, expected, "{}", place.what);
        check(&place);
    });
}

#[test]
fn engine_killed() {
    let points = some_times(&list_points().engine);
    let kills: Vec<Kill> = points.into_iter().map(|point| Kill { engine: Some(point), replica: None }).collect();
    kill_each(&kills);
}

#[test]
fn member_killed() {
    kill_replica(1);
}

#[test]
fn joining_replica_killed() {
    kill_replica(2);
}

/// The engine lives on without it: no step fails.
fn kill_replica(index: usize) {
    let reached = &list_points().replicas[index];
    // One time each is enough here: what a directory looks like at every time is the matter of the other scenarios.
    let points: BTreeSet<&String> = reached.iter().collect();
    let kill = |point: &&String| Kill { engine: None, replica: Some((index, format!("{point}:1"))) };
    kill_each(&points.iter().map(kill).collect::<Vec<_>>());
}

/// One member is killed in the middle of an operation that the other one finishes, and the engine before it can record
/// that: the members differ, and nobody has written down which of them is right.
#[test]
fn member_and_engine_killed_in_one_operation() {
    // The first snapshot is the first operation under a barrier, the revert the third, the removal the fourth; each has
    // two answers, one of them that the link was lost. The expansion comes after five operations of two members and one
    // of three. What a snapshot does before its barrier is no operation of both.
    let (in_snapshot, in_revert) = ("barrier.member-answered:2", "barrier.member-answered:6");
    let (in_removal, in_expansion) = ("barrier.member-answered:8", "barrier.member-answered:16");
    let pairs = [
        ("snapshot.described:1", in_snapshot),
        ("fresh-head.committed:1", in_snapshot),
        ("snapshot.old-head-removed:1", in_snapshot),
        ("abandon.marked:1", in_revert),
        ("fresh-head.committed:3", in_revert),
        ("abandon.images-removed:1", in_revert),
        ("remove.marked:1", in_removal),
        ("expand.head-synced:1", in_expansion),
        ("expand.taken:1", in_expansion),
    ];
    let kill = |&(replica, engine): &(&str, &str)| Kill {
        engine: Some(engine.to_owned()),
        replica: Some((1, replica.to_owned())),
    };
    kill_each(&pairs.iter().map(kill).collect::<Vec<_>>());
}
