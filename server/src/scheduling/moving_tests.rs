//! Replicas on the move over random clusters: disks and nodes are emptied, replicas fail, balance wants others. The
//! volume is driven as its controller drives it, one change a step; it has to come to rest without ever being worse off.

use aurochs_api::size::{ByteSize, GIB};
use proptest::prelude::*;

use super::balance::{Asked, plan};
use super::space::{DiskSpace, Limits};
use super::spread::{Holder, Mode};
use super::surplus::{Surplus, choose};
use super::{DiskView, NodeView, Request, Rules, Taken, place};

const RULES: Rules = Rules {
    limits: Limits { over_provisioning_percent: 100, minimal_available_percent: 0 },
    allow_empty_node_selector: true,
    allow_empty_disk_selector: true,
};
const SIZE: ByteSize = ByteSize(GIB);
const NODES: usize = 5;

/// What happens to a cluster from outside.
#[derive(Clone, Copy, Debug)]
enum Event {
    EvictDisk(usize, usize),
    EvictNode(usize),
    /// All evictions are called off.
    Cancel,
    Fail(usize),
    Disable(usize),
    Enable(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..NODES, 0..2_usize).prop_map(|(node, disk)| Event::EvictDisk(node, disk)),
        (0..NODES).prop_map(Event::EvictNode),
        Just(Event::Cancel),
        (0..4_usize).prop_map(Event::Fail),
        (0..NODES).prop_map(Event::Disable),
        (0..NODES).prop_map(Event::Enable),
    ]
}

struct World {
    nodes: Vec<NodeView>,
    request: Request,
    wished: usize,
    mode: Mode,
    holders: Vec<Holder>,
    made: usize,
}

impl World {
    fn new(wished: usize, mode: Mode, zones: &[u8], room_gib: u64, node_soft: bool, zone_soft: bool) -> Self {
        let node = |(index, zone): (usize, &u8)| {
            let name = format!("n{index}");
            let disk = |number: usize| DiskView {
                name: format!("d{number}"),
                uuid: format!("{name}-d{number}"),
                ready: true,
                allow_scheduling: true,
                space: DiskSpace {
                    maximum: ByteSize(room_gib * GIB),
                    available: ByteSize(room_gib * GIB),
                    ..DiskSpace::default()
                },
                ..DiskView::default()
            };
            let (zone, disks) = (format!("z{zone}"), vec![disk(0), disk(1)]);
            NodeView { name, zone, ready: true, allow_scheduling: true, disks, ..NodeView::default() }
        };
        let request =
            Request { volume: "v".into(), size: SIZE, node_soft, zone_soft, disk_soft: true, ..Request::default() };
        let nodes = zones.iter().enumerate().map(node).collect();
        Self { nodes, request, wished, mode, holders: Vec::new(), made: 0 }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::EvictDisk(node, disk) => self.nodes[node].disks[disk].evicting = true,
            Event::EvictNode(node) => self.nodes[node].evicting = true,
            Event::Cancel => {
                for node in &mut self.nodes {
                    node.evicting = false;
                    node.disks.iter_mut().for_each(|disk| disk.evicting = false);
                }
            }
            // The last one is never lost here: that is no matter of placing.
            Event::Fail(index) if index < self.holders.len() && self.holders.len() > 1 => self.remove(index),
            Event::Fail(_) => {}
            Event::Disable(node) => self.nodes[node].allow_scheduling = false,
            Event::Enable(node) => self.nodes[node].allow_scheduling = true,
        }
        for holder in &mut self.holders {
            let node = self.nodes.iter().find(|node| node.name == holder.node).unwrap();
            let disk = node.disks.iter().find(|disk| disk.uuid == holder.disk_uuid).unwrap();
            holder.evicting = node.evicting || disk.evicting;
        }
    }

    fn remove(&mut self, index: usize) {
        let gone = self.holders.remove(index);
        self.promise(&gone.disk_uuid, |space| space.scheduled = space.scheduled.saturating_sub(SIZE));
    }

    fn promise(&mut self, uuid: &str, change: impl Fn(&mut DiskSpace)) {
        let disks = self.nodes.iter_mut().flat_map(|node| &mut node.disks);
        disks.filter(|disk| disk.uuid == uuid).for_each(|disk| change(&mut disk.space));
    }

    fn place_one(&mut self) -> bool {
        let taken = |holder: &Holder| Taken {
            node: holder.node.clone(),
            disk_uuid: holder.disk_uuid.clone(),
            evicting: holder.evicting,
        };
        self.request.taken = self.holders.iter().map(taken).collect();
        match place(&self.request, &self.nodes, &RULES) {
            Ok(found) => {
                let hard = !(self.request.node_soft && self.request.zone_soft);
                let beside = self.holders.iter().any(|holder| !holder.evicting && holder.node == found.node);
                assert!(!(hard && beside), "two on {}", found.node);
                self.make(found.node, found.disk_uuid)
            }
            Err(_) => false,
        }
    }

    fn make(&mut self, node: String, disk_uuid: String) -> bool {
        self.promise(&disk_uuid, |space| space.scheduled = space.scheduled.saturating_add(SIZE));
        self.made += 1;
        self.holders.push(Holder { name: format!("r{:03}", self.made), node, disk_uuid, evicting: false });
        true
    }

    /// One step, as in `controllers/volume/redundancy.rs`. False when there is nothing to do.
    fn step(&mut self) -> bool {
        if self.holders.len() > self.wished {
            let surplus = Surplus {
                holders: &self.holders,
                nodes: &self.nodes,
                mode: self.mode,
                pressure_percent: 0,
                engine_node: "n0",
                keep_local: false,
            };
            let gone = choose(&surplus).unwrap().to_owned();
            let index = self.holders.iter().position(|holder| holder.name == gone).unwrap();
            self.remove(index);
            return true;
        }
        if self.holders.len() < self.wished || self.holders.iter().any(|holder| holder.evicting) {
            return self.place_one();
        }
        let asked = Asked {
            mode: self.mode,
            request: &self.request,
            holders: &self.holders,
            nodes: &self.nodes,
            rules: &RULES,
            pressure_percent: 0,
            keep_on: None,
            only_disk: None,
        };
        plan(&asked).is_some_and(|planned| self.make(planned.to.node, planned.to.disk_uuid))
    }
}

proptest! {
    #[test]
    fn whatever_happens_it_comes_to_rest_and_is_never_worse_off(
        events in proptest::collection::vec(any_event(), 0..12),
        wished in 1_usize..4,
        mode in prop_oneof![Just(Mode::Disabled), Just(Mode::LeastEffort), Just(Mode::BestEffort)],
        zones in proptest::collection::vec(0..3_u8, NODES),
        room_gib in 1_u64..4,
        (node_soft, zone_soft) in any::<(bool, bool)>(),
    ) {
        let mut world = World::new(wished, mode, &zones, room_gib, node_soft, zone_soft);
        for event in [None].into_iter().chain(events.into_iter().map(Some)) {
            if let Some(event) = event {
                world.happen(event);
            }
            // Two steps for each replica: one is made, one goes.
            let mut steps = 0;
            loop {
                let before = world.holders.len();
                if !world.step() {
                    break;
                }
                steps += 1;
                prop_assert!(steps <= 4 * wished + 2, "no rest after {steps} steps: {:?}", world.holders);
                prop_assert!(world.holders.len() >= before.min(wished), "fewer than before and than wished");
                prop_assert!(world.holders.len() <= wished + 1, "more than one above the wished number");
            }
            // What still is to leave has nowhere to go.
            if world.holders.len() == wished && world.holders.iter().any(|holder| holder.evicting) {
                prop_assert!(!world.place_one(), "an eviction ended too early");
            }
            for disk in world.nodes.iter().flat_map(|node| &node.disks) {
                prop_assert!(disk.space.scheduled <= disk.space.maximum, "promised twice: {disk:?}");
            }
        }
    }
}
