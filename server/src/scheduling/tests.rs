//! Invariants of placement under random nodes and volumes, and the words of its refusals.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::cause::CauseCode;
use aurochs_api::size::{ByteSize, GIB};
use proptest::prelude::*;

use super::space::{DiskSpace, Limits};
use super::{DiskView, NodeView, Request, Rules, Taken, place};

const RULES: Rules = Rules {
    limits: Limits { over_provisioning_percent: 100, minimal_available_percent: 25 },
    allow_empty_node_selector: true,
    allow_empty_disk_selector: true,
};

fn disk(node: &str, name: &str, maximum_gib: u64, reserved_gib: u64, scheduled_gib: u64) -> DiskView {
    DiskView {
        name: name.to_owned(),
        uuid: format!("{node}-{name}"),
        path: format!("/{node}/{name}"),
        ready: true,
        allow_scheduling: true,
        space: DiskSpace {
            maximum: ByteSize(maximum_gib * GIB),
            available: ByteSize(maximum_gib * GIB),
            reserved: ByteSize(reserved_gib * GIB),
            scheduled: ByteSize(scheduled_gib * GIB),
        },
        ..DiskView::default()
    }
}

fn node(name: &str, disks: Vec<DiskView>) -> NodeView {
    NodeView { name: name.to_owned(), ready: true, allow_scheduling: true, disks, ..NodeView::default() }
}

fn request(size_gib: u64) -> Request {
    let size = ByteSize(size_gib * GIB);
    Request { volume: "v".into(), size, zone_soft: true, disk_soft: true, ..Request::default() }
}

/// Places `count` replicas one after the other, as the volume controller does.
fn place_all(mut request: Request, nodes: &mut [NodeView], rules: &Rules, count: usize) -> Vec<Taken> {
    for _ in 0..count {
        let Ok(found) = place(&request, nodes, rules) else { break };
        let disks = nodes.iter_mut().flat_map(|node| &mut node.disks);
        for disk in disks.filter(|disk| disk.uuid == found.disk_uuid) {
            disk.space.scheduled = disk.space.scheduled.saturating_add(request.size);
        }
        request.taken.push(Taken { node: found.node, disk_uuid: found.disk_uuid, evicting: false });
    }
    request.taken
}

prop_compose! {
    fn any_node(index: usize)(
        sizes in proptest::collection::vec((1_u64..200, 0_u64..100, 0_u64..100, any::<bool>()), 1..4),
        ready in proptest::bool::weighted(0.9),
        allow in proptest::bool::weighted(0.9),
        zone in 0..2_u8,
    ) -> NodeView {
        let name = format!("node-{index}");
        let mut disks = Vec::new();
        for (number, (maximum, available, reserved, allow_scheduling)) in sizes.into_iter().enumerate() {
            let mut disk = disk(&name, &format!("d{number}"), maximum, reserved.min(maximum), 0);
            disk.space.available = ByteSize(available.min(maximum) * GIB);
            disk.allow_scheduling = allow_scheduling;
            disks.push(disk);
        }
        NodeView { ready, allow_scheduling: allow, zone: format!("zone-{zone}"), ..node(&name, disks) }
    }
}

fn any_nodes() -> impl Strategy<Value = Vec<NodeView>> {
    (any_node(0), any_node(1), any_node(2), any_node(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

proptest! {
    #[test]
    fn never_two_on_one_node_when_soft_anti_affinity_is_off(mut nodes in any_nodes(), size in 1_u64..50, count in 1_usize..6) {
        let taken = place_all(request(size), &mut nodes, &RULES, count);
        let distinct: BTreeSet<_> = taken.iter().map(|taken| &taken.node).collect();
        prop_assert_eq!(distinct.len(), taken.len());
    }

    #[test]
    fn never_two_in_one_zone_when_the_zone_rule_is_hard(mut nodes in any_nodes(), size in 1_u64..50) {
        let zones: BTreeMap<String, String> = nodes.iter().map(|node| (node.name.clone(), node.zone.clone())).collect();
        let taken = place_all(Request { zone_soft: false, ..request(size) }, &mut nodes, &RULES, 4);
        let distinct: BTreeSet<_> = taken.iter().map(|taken| &zones[&taken.node]).collect();
        prop_assert_eq!(distinct.len(), taken.len());
    }

    #[test]
    fn never_more_promised_than_allowed(mut nodes in any_nodes(), size in 1_u64..50, over in 50_u64..250) {
        let limits = Limits { over_provisioning_percent: over, minimal_available_percent: 10 };
        let soft = Request { node_soft: true, ..request(size) };
        place_all(soft, &mut nodes, &Rules { limits, ..RULES }, 20);
        for disk in nodes.iter().flat_map(|node| &node.disks) {
            let room = (disk.space.maximum.0 - disk.space.reserved.0) as u128 * u128::from(over) / 100;
            prop_assert!(u128::from(disk.space.scheduled.0) <= room, "{:?}", disk);
        }
    }

    #[test]
    fn only_where_it_is_allowed(nodes in any_nodes(), size in 1_u64..50) {
        match place(&request(size), &nodes, &RULES) {
            Ok(found) => {
                let node = nodes.iter().find(|node| node.name == found.node).unwrap();
                let disk = node.disks.iter().find(|disk| disk.uuid == found.disk_uuid).unwrap();
                prop_assert!(node.ready && node.allow_scheduling && disk.allow_scheduling);
            }
            Err(cause) => prop_assert!(!cause.message.is_empty() && !cause.next_step.is_empty()),
        }
    }

    #[test]
    fn different_nodes_come_first_even_when_one_node_is_allowed(mut nodes in any_nodes()) {
        let hard = place_all(request(1), &mut nodes.clone(), &RULES, 4);
        let soft = place_all(Request { node_soft: true, ..request(1) }, &mut nodes, &RULES, hard.len());
        let distinct: BTreeSet<_> = soft.iter().map(|taken| &taken.node).collect();
        prop_assert_eq!(distinct.len(), hard.len());
    }
}

#[test]
fn the_refusal_names_numbers_and_the_next_step() {
    let nodes = [node("node-3", vec![disk("node-3", "d2", 54, 5, 41)])];
    let cause = place(&request(10), &nodes, &RULES).unwrap_err();
    assert_eq!(cause.code, CauseCode::InsufficientStorage);
    for words in ["needs 10 GiB", "disk d2 on node-3", "8 GiB schedulable", "reserved 5 GiB", "scheduled 41 GiB"] {
        assert!(cause.message.contains(words), "{}", cause.message);
    }
    assert!(cause.next_step.contains("Add a disk"));
    assert_eq!(cause.objects, ["node-3", "d2"]);
}

#[test]
fn too_few_nodes_is_said_as_such() {
    let nodes = [node("node-1", vec![disk("node-1", "d", 100, 0, 0)])];
    let taken = vec![Taken { node: "node-1".into(), disk_uuid: "node-1-d".into(), evicting: false }];
    let cause = place(&Request { taken, ..request(1) }, &nodes, &RULES).unwrap_err();
    assert_eq!(cause.code, CauseCode::NotEnoughNodes);
    assert!(cause.message.contains("node-1 holds one already"), "{}", cause.message);
}

#[test]
fn an_evicting_replica_gives_its_node_free_when_no_other_is() {
    let nodes = [node("node-1", vec![disk("node-1", "d", 100, 0, 0)])];
    let taken = vec![Taken { node: "node-1".into(), disk_uuid: "node-1-d".into(), evicting: true }];
    assert_eq!(place(&Request { taken, ..request(1) }, &nodes, &RULES).unwrap().node, "node-1");
}

#[test]
fn tags_select() {
    let mut fast = disk("node-1", "fast", 100, 0, 0);
    fast.tags = vec!["ssd".into()];
    let nodes = [node("node-1", vec![disk("node-1", "slow", 100, 0, 0), fast])];
    let wanted = Request { disk_selector: vec!["ssd".into()], ..request(1) };
    assert_eq!(place(&wanted, &nodes, &RULES).unwrap().disk_name, "fast");
    let strict = Rules { allow_empty_disk_selector: false, ..RULES };
    assert_eq!(place(&request(1), &nodes, &strict).unwrap().disk_name, "slow");
}
