//! Invariants of placement under random nodes and volumes, and the words of its refusals.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::cause::CauseCode;
use aurochs_api::size::{ByteSize, GIB};
use proptest::prelude::*;

use super::rule::Rule;
use super::space::{DiskSpace, Limits};
use super::{DiskView, NodeView, Request, Rules, Taken, filter, place};

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
            Err(no) => {
                prop_assert!(!no.cause.message.is_empty() && !no.cause.next_step.is_empty());
                // Every disk is in the list, by itself or with its node.
                let told = |node: &str, disk: &str| {
                    let mut details = no.cause.details.iter();
                    details.any(|detail| detail.node == node && (detail.disk.is_empty() || detail.disk == disk))
                };
                for node in &nodes {
                    prop_assert!(node.disks.iter().all(|disk| told(&node.name, &disk.name)));
                }
            }
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
    let no = place(&request(10), &nodes, &RULES).unwrap_err();
    let cause = &no.cause;
    assert_eq!(cause.code, CauseCode::InsufficientStorage);
    for words in ["needs 10 GiB", "disk d2 on node-3", "8 GiB schedulable", "reserved 5 GiB", "scheduled 41 GiB"] {
        assert!(cause.message.contains(words), "{}", cause.message);
    }
    assert!(cause.next_step.contains("Add a disk"));
    assert_eq!(cause.objects, ["node-3", "d2"]);
    let detail = &cause.details[0];
    assert_eq!((detail.node.as_str(), detail.disk.as_str(), detail.rule.as_str()), ("node-3", "d2", "promised-space"));
    assert_eq!((detail.wanted_bytes, detail.has_bytes), (Some(10 * GIB), Some(8 * GIB)));
    assert!(no.message().starts_with("insufficient storage: "), "{}", no.message());
}

#[test]
fn too_few_nodes_is_said_as_such() {
    let nodes = [node("node-1", vec![disk("node-1", "d", 100, 0, 0)])];
    let taken = vec![Taken { node: "node-1".into(), disk_uuid: "node-1-d".into(), evicting: false }];
    let no = place(&Request { taken, ..request(1) }, &nodes, &RULES).unwrap_err();
    assert_eq!(no.cause.code, CauseCode::NotEnoughNodes);
    assert!(no.cause.message.contains("node-1 holds one already"), "{}", no.cause.message);
    assert_eq!(no.cause.details[0].rule, "node-anti-affinity");
}

/// More disks than a sentence can name are all in the details.
#[test]
fn every_disk_has_its_line() {
    let full = |number: usize| {
        let name = format!("node-{number}");
        node(&name, vec![disk(&name, "a", 10, 0, 5 + number as u64), disk(&name, "b", 10, 10, 0)])
    };
    let nodes: Vec<NodeView> = (0..5).map(full).collect();
    let cause = place(&request(20), &nodes, &RULES).unwrap_err().cause;
    assert!(cause.message.contains("7 more can't take it either"), "{}", cause.message);
    assert_eq!(cause.details.len(), 10);
    assert!(cause.details.iter().all(|detail| detail.wanted_bytes == Some(20 * GIB) && !detail.text.is_empty()));
}

/// behaviour.md §2, rows "node filter" and "disk filter": what each rule refuses, and Longhorn's word for it.
#[test]
fn the_filters() {
    type Spoil = fn(&mut NodeView, &mut Request);
    let rows: [(Rule, &str, Spoil); 16] = [
        (Rule::HardAffinity, "hard affinity cannot be satisfied", |_, r| r.only_node = Some("elsewhere".into())),
        (Rule::NodeDeleting, "nodes are unavailable", |n, _| n.deleting = true),
        (Rule::NodeReady, "nodes are unavailable", |n, _| n.ready = false),
        (Rule::NodeScheduling, "nodes are unavailable", |n, _| n.allow_scheduling = false),
        (Rule::NodeSchedulable, "nodes are unavailable", |n, _| {
            n.unschedulable = Some("KubernetesNodeCordoned".into())
        }),
        (Rule::NodeEvicting, "nodes are unavailable", |n, _| n.evicting = true),
        (Rule::EngineImage, "none of the node candidates contains a ready engine image", |n, _| {
            n.lacks_engine_image = Some("ei-1".into());
        }),
        (Rule::NodeTags, "tags not fulfilled", |_, r| r.node_selector = vec!["rack-1".into()]),
        (Rule::NoDisk, "disk not found", |n, _| n.disks.clear()),
        (Rule::DiskReady, "disks are unavailable", |n, _| n.disks[0].ready = false),
        (Rule::DiskScheduling, "disks are unavailable", |n, _| n.disks[0].allow_scheduling = false),
        (Rule::DiskEvicting, "disks are unavailable", |n, _| n.disks[0].evicting = true),
        (Rule::DiskType, "disks are unavailable", |n, _| n.disks[0].kind = aurochs_api::node::DiskType::Block),
        (Rule::VolumeSize, "incompatible volume size", |n, r| {
            n.disks[0].filesystem = "ext2/ext3".into();
            r.size = ByteSize(16 << 40);
        }),
        (Rule::DiskTags, "tags not fulfilled", |_, r| r.disk_selector = vec!["ssd".into()]),
        (Rule::FreeSpace, "insufficient storage", |n, _| n.disks[0].space.available = ByteSize(GIB)),
    ];
    for (rule, reason, spoil) in rows {
        let (mut node, mut request) = (node("node-1", vec![disk("node-1", "d", 100, 0, 0)]), request(1));
        assert!(place(&request, std::slice::from_ref(&node), &RULES).is_ok());
        spoil(&mut node, &mut request);
        let nodes = [node];
        let (candidates, refusals) = filter::candidates(&request, &nodes, &RULES);
        assert!(candidates.is_empty(), "{rule:?}");
        assert_eq!(refusals[0].rule, rule);
        let no = place(&request, &nodes, &RULES).unwrap_err();
        assert_eq!((no.reasons.as_str(), no.cause.details[0].rule.as_str()), (reason, rule.word()), "{rule:?}");
    }
}

/// behaviour.md §2, row "order tried": which of the nodes gets the next replica, by the three soft rules.
#[test]
fn the_order_tried() {
    // a1 holds a replica and b1 one that is being evicted; a2, b2 and c1 are free.
    let zones = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")];
    let cluster = |without: &[&str]| -> Vec<NodeView> {
        let there = zones.iter().filter(|(name, _)| !without.contains(name));
        let made = |(name, zone): &(&str, &str)| {
            let disks = vec![disk(name, "d0", 100, 0, 0), disk(name, "d1", 100, 0, 0)];
            NodeView { zone: (*zone).into(), ..node(name, disks) }
        };
        there.map(made).collect()
    };
    let taken = |name: &str, evicting| Taken { node: name.into(), disk_uuid: format!("{name}-d0"), evicting };
    let placed = |node_soft, zone_soft, without: &[&str]| {
        let taken = vec![taken("a1", false), taken("b1", true)];
        let request = Request { node_soft, zone_soft, taken, ..request(1) };
        place(&request, &cluster(without), &RULES).map(|place| place.node).unwrap_or_default()
    };
    // (node soft, zone soft, nodes that are not there, expected)
    let rows: [(bool, bool, &[&str], &str); 8] = [
        (false, false, &[], "c1"),
        (true, true, &[], "c1"),
        // Nothing else is in an unused zone: in a zone that will be free.
        (false, false, &["c1", "b2"], "b1"),
        (true, false, &["c1", "b1", "b2"], ""),
        // Soft zones: an unused node in any zone, then one that only evicting replicas use.
        (false, true, &["c1", "b2"], "a2"),
        (false, true, &["c1", "b2", "a2"], "b1"),
        // Soft nodes: any at last.
        (true, true, &["c1", "b1", "b2", "a2"], "a1"),
        (false, true, &["c1", "b1", "b2", "a2"], ""),
    ];
    for (node_soft, zone_soft, without, expected) in rows {
        assert_eq!(placed(node_soft, zone_soft, without), expected, "{node_soft} {zone_soft} {without:?}");
    }
}

/// behaviour.md §2, row "empty zone label".
#[test]
fn nodes_without_a_zone_are_one_zone() {
    let in_zone =
        |name: &str, zone: &str| NodeView { zone: zone.into(), ..node(name, vec![disk(name, "d", 100, 0, 0)]) };
    let taken = vec![Taken { node: "n1".into(), disk_uuid: "n1-d".into(), evicting: false }];
    let placed = |zone_soft, nodes: &[NodeView]| {
        let request = Request { zone_soft, taken: taken.clone(), ..request(1) };
        place(&request, nodes, &RULES).map(|place| place.node).unwrap_or_default()
    };
    let unnamed = [in_zone("n1", ""), in_zone("n2", "")];
    assert_eq!((placed(false, &unnamed), placed(true, &unnamed)), (String::new(), "n2".to_owned()));
    let mixed = [in_zone("n1", ""), in_zone("n2", ""), in_zone("n3", "a")];
    assert_eq!((placed(false, &mixed).as_str(), placed(true, &mixed).as_str()), ("n3", "n3"));
}

/// behaviour.md §2, row "disk anti-affinity".
#[test]
fn disks_without_a_replica_win_and_others_need_the_soft_rule() {
    let nodes = [node("node-1", vec![disk("node-1", "big", 900, 0, 0), disk("node-1", "small", 90, 0, 0)])];
    let on = |disks: &[&str], disk_soft| {
        let taken = disks.iter().map(|disk| Taken {
            node: "node-1".into(),
            disk_uuid: format!("node-1-{disk}"),
            evicting: false,
        });
        let request = Request { node_soft: true, disk_soft, taken: taken.collect(), ..request(1) };
        place(&request, &nodes, &RULES).map(|place| place.disk_name)
    };
    assert_eq!(on(&["big"], true).unwrap(), "small");
    assert_eq!(on(&["big", "small"], true).unwrap(), "big");
    let no = on(&["big", "small"], false).unwrap_err();
    assert!(no.cause.message.contains("needs a disk of its own"), "{}", no.cause.message);
    assert!(no.cause.details.iter().all(|detail| detail.rule == "disk-anti-affinity"));
}

#[test]
fn the_preferred_node_wins_while_it_can_take_it() {
    let nodes =
        [node("node-1", vec![disk("node-1", "d", 900, 0, 0)]), node("node-2", vec![disk("node-2", "d", 90, 0, 0)])];
    let preferring = Request { preferred_node: Some("node-2".into()), ..request(1) };
    assert_eq!(place(&preferring, &nodes, &RULES).unwrap().node, "node-2");
    let too_large = Request { preferred_node: Some("node-2".into()), ..request(200) };
    assert_eq!(place(&too_large, &nodes, &RULES).unwrap().node, "node-1");
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
