//! Balance in tables with the names of its rules, and over random clusters: it comes to an end, never goes back, and
//! keeps the rules.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::size::{ByteSize, GIB};
use proptest::prelude::*;

use super::balance::{Asked, Move, Why, plan};
use super::space::{DiskSpace, Limits};
use super::spread::{Holder, Mode, Standing, Unevenness};
use super::surplus::{Surplus, choose};
use super::{DiskView, NodeView, Request, Rules};

const RULES: Rules = Rules {
    limits: Limits { over_provisioning_percent: 200, minimal_available_percent: 5 },
    allow_empty_node_selector: true,
    allow_empty_disk_selector: true,
};
const SIZE: ByteSize = ByteSize(2 * GIB);
const PRESSURE: u64 = 90;

fn disk(node: &str, name: &str, available_gib: u64) -> DiskView {
    let space = DiskSpace {
        maximum: ByteSize(100 * GIB),
        available: ByteSize(available_gib * GIB),
        reserved: ByteSize::ZERO,
        scheduled: ByteSize::ZERO,
    };
    let (name, uuid) = (name.to_owned(), format!("{node}-{name}"));
    DiskView { name, uuid, ready: true, allow_scheduling: true, space, ..DiskView::default() }
}

fn node(zone: &str, name: &str) -> NodeView {
    let disks = vec![disk(name, "d0", 100), disk(name, "d1", 100)];
    let (zone, name) = (zone.to_owned(), name.to_owned());
    NodeView { name, zone, ready: true, allow_scheduling: true, disks, ..NodeView::default() }
}

/// `a1:0` is the first disk of node a1, in zone a.
fn holder(place: &str) -> Holder {
    let (node, disk) = place.split_once(':').unwrap();
    let (name, disk_uuid) = (format!("r-{place}"), format!("{node}-d{disk}"));
    Holder { name, node: node.to_owned(), disk_uuid, evicting: false }
}

fn holders(places: &[&str]) -> Vec<Holder> {
    places.iter().map(|place| holder(place)).collect()
}

fn cluster(names: &[&str]) -> Vec<NodeView> {
    names.iter().map(|name| node(&name[..1], name)).collect()
}

fn request(soft: bool) -> Request {
    Request {
        volume: "v".into(),
        size: SIZE,
        required: ByteSize(GIB),
        node_soft: soft,
        zone_soft: true,
        disk_soft: true,
        ..Request::default()
    }
}

fn asked<'a>(mode: Mode, request: &'a Request, holders: &'a [Holder], nodes: &'a [NodeView]) -> Asked<'a> {
    let (keep_on, only_disk) = (None, None);
    Asked { mode, request, holders, nodes, rules: &RULES, pressure_percent: PRESSURE, keep_on, only_disk }
}

fn planned(mode: Mode, places: &[&str], nodes: &[NodeView]) -> Option<(String, String, Why)> {
    let found = plan(&asked(mode, &request(true), &holders(places), nodes));
    found.map(|found| (found.replica, found.to.node, found.why))
}

fn moves(replica: &str, node: &str, why: Why) -> Option<(String, String, Why)> {
    Some((format!("r-{replica}"), node.to_owned(), why))
}

/// behaviour.md §3, rows "auto-balance precedence", "least-effort" and "best-effort".
#[test]
fn auto_balance() {
    use Mode::{BestEffort, Disabled, LeastEffort};
    let nodes = cluster(&["a1", "a2", "b1", "b2"]);
    // (mode, replicas, move)
    type Row<'a> = (Mode, &'a [&'a str], Option<(String, String, Why)>);
    let rows: [Row<'_>; 10] = [
        (Disabled, &["a1:0", "a1:1"], None),
        // Unused zones first, whatever the nodes are like.
        (LeastEffort, &["a1:0", "a2:0"], moves("a1:0", "b1", Why::Zones)),
        // All zones are used: unused nodes.
        (LeastEffort, &["a1:0", "a1:1", "b1:0"], moves("a1:0", "a2", Why::Nodes)),
        // Uneven, but everywhere is one: least effort does no more.
        (LeastEffort, &["a1:0", "a1:1", "a2:0", "a2:1", "b1:0", "b2:0"], None),
        (BestEffort, &["a1:0", "a1:1", "a2:0", "a2:1", "b1:0", "b2:0"], moves("a1:0", "b1", Why::Zones)),
        (BestEffort, &["a1:0", "a1:1", "a2:0", "b1:0", "b1:1", "b2:0"], None),
        // Most minus least is two: one move evens it.
        (BestEffort, &["a1:0", "a2:0", "a2:1", "b1:0"], moves("a2:0", "b2", Why::Zones)),
        (BestEffort, &["a1:0", "a1:1", "b1:0", "b1:1"], moves("a1:0", "a2", Why::Nodes)),
        // One more here than there can't be bettered.
        (BestEffort, &["a1:0", "a2:0", "b1:0"], None),
        (BestEffort, &["a1:0", "b1:0"], None),
    ];
    for (mode, places, expected) in rows {
        assert_eq!(planned(mode, places, &nodes), expected, "{mode:?} {places:?}");
    }
    assert_eq!(Mode::of("ignored", "best-effort"), BestEffort);
    assert_eq!(Mode::of("disabled", "best-effort"), Disabled);
    assert_eq!(Mode::of("least-effort", "disabled"), LeastEffort);
    assert_eq!(Mode::of("", "nonsense"), Disabled);
}

/// behaviour.md §3, row "best-effort", the part about pressure: within the node, to a disk that stays clear of it.
#[test]
fn a_disk_under_pressure_is_left_for_another_of_the_node() {
    let mut nodes = cluster(&["a1", "b1"]);
    nodes[0].disks[0].space.available = ByteSize(8 * GIB);
    assert_eq!(planned(Mode::BestEffort, &["a1:0", "b1:0"], &nodes), moves("a1:0", "a1", Why::DiskPressure));
    assert_eq!(planned(Mode::LeastEffort, &["a1:0", "b1:0"], &nodes), None);
    assert_eq!(planned(Mode::BestEffort, &["b1:0"], &nodes), None, "no replica is on the full disk");
    nodes[0].disks[1].space.available = ByteSize(15 * GIB);
    assert_eq!(planned(Mode::BestEffort, &["a1:0", "b1:0"], &nodes), None, "the other disk is nearly full as well");
    let off = request(true);
    let places = holders(&["a1:0", "b1:0"]);
    nodes[0].disks[1].space.available = ByteSize(100 * GIB);
    let switched_off = Asked { pressure_percent: 0, ..asked(Mode::BestEffort, &off, &places, &nodes) };
    assert_eq!(plan(&switched_off), None);
}

#[test]
fn data_locality_and_eviction_come_before_balance() {
    let nodes = cluster(&["a1", "b1", "b2"]);
    let (request, mut places) = (request(true), holders(&["a1:0", "a1:1", "b1:0"]));
    let question = Asked { keep_on: Some("a1"), ..asked(Mode::BestEffort, &request, &places, &nodes) };
    // Two are on the engine's node; none of them leaves, and no other would be better elsewhere.
    assert_eq!(plan(&question), None);
    places[2].evicting = true;
    assert_eq!(plan(&asked(Mode::BestEffort, &request, &places, &nodes)), None);
}

/// behaviour.md §3, row "extra healthy replicas removal order".
#[test]
fn the_removal_order() {
    let mut nodes = cluster(&["a1", "a2", "b1", "b2"]);
    nodes[2].disks[0].space.available = ByteSize(30 * GIB);
    let gone = |places: &[&str], evicting: &[&str], engine_node: &str, keep_local: bool| {
        let mut holders = holders(places);
        for holder in &mut holders {
            holder.evicting = evicting.iter().any(|place| holder.name == format!("r-{place}"));
        }
        let (mode, pressure_percent) = (Mode::BestEffort, PRESSURE);
        let surplus = Surplus { holders: &holders, nodes: &nodes, mode, pressure_percent, engine_node, keep_local };
        choose(&surplus).unwrap_or_default().to_owned()
    };
    // An evicting one goes first, were it the one beside the engine.
    assert_eq!(gone(&["a1:0", "a2:0", "b1:0"], &["a1:0"], "a1", true), "r-a1:0");
    // Then the crowded zone or node, never the one that data locality wants.
    assert_eq!(gone(&["a1:0", "a2:0", "b1:0"], &[], "a1", true), "r-a2:0");
    assert_eq!(gone(&["a1:0", "a1:1", "b1:0"], &[], "a1", true), "r-a1:0");
    assert_eq!(gone(&["a1:0", "a2:0", "b1:0", "b2:0"], &[], "a1", true), "r-b1:0", "the disk with least room");
    assert_eq!(gone(&["a1:0", "b1:0"], &[], "a1", true), "r-b1:0");
    assert_eq!(gone(&["a1:0"], &["a1:0"], "b1", false), "", "the last one stays");
}

/// A cluster with the replicas of several volumes, and what each of them asks for.
#[derive(Clone, Debug)]
struct World {
    nodes: Vec<NodeView>,
    volumes: Vec<(Vec<Holder>, Request, Mode)>,
}

const NAMES: [&str; 6] = ["a1", "a2", "a3", "b1", "b2", "c1"];

fn any_world() -> impl Strategy<Value = World> {
    let places = || proptest::collection::btree_set((0..NAMES.len(), 0..2_usize), 1..6);
    let mode = || prop_oneof![Just(Mode::LeastEffort), Just(Mode::BestEffort)];
    let volumes = proptest::collection::vec((places(), mode(), any::<bool>(), any::<bool>()), 1..4);
    let nodes = proptest::collection::vec((any::<bool>(), 6_u64..100, 6_u64..100), NAMES.len());
    (nodes, volumes).prop_map(|(states, volumes)| {
        let mut nodes = cluster(&NAMES);
        for (node, (allow, first, second)) in nodes.iter_mut().zip(states) {
            node.allow_scheduling = allow;
            node.disks[0].space.available = ByteSize(first * GIB);
            node.disks[1].space.available = ByteSize(second * GIB);
        }
        let volume = |(places, mode, node_soft, zone_soft): (BTreeSet<(usize, usize)>, _, _, _)| {
            let holders = places.iter().map(|(node, disk)| holder(&format!("{}:{disk}", NAMES[*node]))).collect();
            (holders, Request { node_soft, zone_soft, ..request(true) }, mode)
        };
        World { nodes, volumes: volumes.into_iter().map(volume).collect() }
    })
}

impl World {
    fn unevenness(&self, volume: usize) -> Unevenness {
        let (holders, _, mode) = &self.volumes[volume];
        Unevenness::of(*mode, holders.iter().map(|holder| Standing::of(holder, &self.nodes, PRESSURE)))
    }

    fn account(&mut self, uuid: &str, change: impl Fn(&mut DiskSpace)) {
        let disks = self.nodes.iter_mut().flat_map(|node| &mut node.disks);
        disks.filter(|disk| disk.uuid == uuid).for_each(|disk| change(&mut disk.space));
    }

    /// The move as the volume controller makes it: a new replica, then the one too many goes.
    fn make(&mut self, volume: usize, planned: &Move, number: usize) {
        let copied = self.volumes[volume].1.required;
        self.account(&planned.to.disk_uuid, |space| {
            space.scheduled = space.scheduled.saturating_add(SIZE);
            space.available = space.available.saturating_sub(copied);
        });
        let (node, disk_uuid) = (planned.to.node.clone(), planned.to.disk_uuid.clone());
        let new = Holder { name: format!("n-{number}"), node, disk_uuid, evicting: false };
        let (holders, _, mode) = &mut self.volumes[volume];
        holders.push(new.clone());
        let surplus = Surplus {
            holders,
            nodes: &self.nodes,
            mode: *mode,
            pressure_percent: PRESSURE,
            engine_node: "",
            keep_local: false,
        };
        let gone = choose(&surplus).unwrap().to_owned();
        assert_ne!(gone, new.name, "what has just been made goes again");
        let index = holders.iter().position(|holder| holder.name == gone).unwrap();
        let gone = holders.remove(index);
        self.account(&gone.disk_uuid, |space| {
            space.scheduled = space.scheduled.saturating_sub(SIZE);
            space.available = space.available.saturating_add(copied);
        });
    }

    fn plan(&self, volume: usize) -> Option<Move> {
        let (holders, request, mode) = &self.volumes[volume];
        plan(&asked(*mode, request, holders, &self.nodes))
    }
}

proptest! {
    #[test]
    fn repeated_plans_come_to_an_end_and_never_go_back(mut world in any_world()) {
        let replicas: usize = world.volumes.iter().map(|(holders, ..)| holders.len()).sum();
        let mut seen: BTreeMap<usize, BTreeSet<Vec<String>>> = BTreeMap::new();
        let mut moved = 0;
        while let Some((volume, planned)) = (0..world.volumes.len()).find_map(|v| Some((v, world.plan(v)?))) {
            moved += 1;
            prop_assert!(moved <= replicas, "{moved} moves of {replicas} replicas");
            let before = world.unevenness(volume);
            world.make(volume, &planned, moved);
            prop_assert!(world.unevenness(volume) < before, "a move that betters nothing: {planned:?}");
            let mut disks: Vec<String> = world.volumes[volume].0.iter().map(|one| one.disk_uuid.clone()).collect();
            disks.sort();
            prop_assert!(seen.entry(volume).or_default().insert(disks), "a state came again: {planned:?}");
        }
    }

    #[test]
    fn hard_rules_hold_for_every_move(world in any_world()) {
        for (volume, (holders, request, _)) in world.volumes.iter().enumerate() {
            let Some(planned) = world.plan(volume) else { continue };
            let target = world.nodes.iter().find(|node| node.name == planned.to.node).unwrap();
            prop_assert!(target.allow_scheduling);
            for other in holders.iter().filter(|holder| holder.name != planned.replica) {
                let zone = world.nodes.iter().find(|node| node.name == other.node).unwrap().zone.as_str();
                prop_assert!(request.node_soft || other.node != planned.to.node);
                prop_assert!(request.zone_soft || zone != target.zone);
                prop_assert!(other.disk_uuid != planned.to.disk_uuid);
            }
        }
    }

    /// The replica that a move has made is asked for again before it is filled: the answer has to be the same, or it
    /// would be thrown away and made anew without end.
    #[test]
    fn a_plan_stands_by_its_target(world in any_world()) {
        for (volume, (holders, request, mode)) in world.volumes.iter().enumerate() {
            let Some(planned) = world.plan(volume) else { continue };
            let again = Asked { only_disk: Some(&planned.to.disk_uuid), ..asked(*mode, request, holders, &world.nodes) };
            prop_assert_eq!(plan(&again).map(|again| again.to), Some(planned.to));
        }
    }
}
