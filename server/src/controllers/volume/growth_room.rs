//! Whether a volume's replicas may grow on the disks where they are.

use std::collections::BTreeMap;

use aurochs_api::cause::CauseDetail;
use aurochs_api::size::ByteSize;

use crate::resources::{Object, Replica};
use crate::scheduling::NodeView;
use crate::scheduling::space::{DiskSpace, Limits, Shortage};

/// Every disk that has no room for what the replicas on it lack to `wished`; empty when they may all grow.
#[must_use]
pub fn shortages<'a>(
    replicas: impl Iterator<Item = &'a Object<Replica>>,
    wished: ByteSize,
    nodes: &[NodeView],
    limits: Limits,
) -> Vec<CauseDetail> {
    let mut extra: BTreeMap<(&str, &str), ByteSize> = BTreeMap::new();
    for replica in replicas.filter(|replica| replica.spec.is_placed() && !replica.is_deleting()) {
        let lacking = wished.saturating_sub(replica.spec.volume_size);
        let sum = extra.entry((replica.spec.node_id.as_str(), replica.spec.disk_id.as_str())).or_default();
        *sum = sum.saturating_add(lacking);
    }
    let grown = extra.into_iter().filter(|(_, extra)| extra.bytes() > 0);
    grown.filter_map(|((node, uuid), extra)| shortage(node, uuid, extra, nodes, limits)).collect()
}

fn shortage(node: &str, uuid: &str, extra: ByteSize, nodes: &[NodeView], limits: Limits) -> Option<CauseDetail> {
    let disks = nodes.iter().filter(|view| view.name == node).flat_map(|view| &view.disks);
    let detail = |disk: &str, has: Option<ByteSize>, why: String| CauseDetail {
        node: node.to_owned(),
        disk: disk.to_owned(),
        rule: "space".to_owned(),
        wanted_bytes: Some(extra.bytes()),
        has_bytes: has.map(ByteSize::bytes),
        // Longhorn's clients look for these words.
        text: format!("failed to schedule {} more bytes to disk {disk} on {node}: {why}", extra.bytes()),
    };
    let Some(disk) = disks.into_iter().find(|disk| disk.uuid == uuid) else {
        return Some(detail(uuid, None, "the disk is not there now".to_owned()));
    };
    let (has, why) = match room(&disk.space, extra, limits) {
        Ok(()) => return None,
        Err(Shortage::Empty) => (ByteSize::ZERO, "its size is not known now".to_owned()),
        Err(Shortage::Pressure { available, minimum }) => {
            (available, format!("{available} of it are free, and {minimum} have to stay free"))
        }
        Err(Shortage::Promised { schedulable }) => {
            (schedulable, format!("{schedulable} of it may still be promised to replicas"))
        }
    };
    Some(detail(&disk.name, Some(has), why))
}

/// Both halves of Longhorn's check of what is used (behaviour.md §2, "expansion check"), and ours of what is promised: a
/// disk whose space is promised twice fails all that trusted in it when it is full.
///
/// Where more is free than the reservation leaves, Longhorn reckons with less than nothing used; here that is nothing, so
/// that the reservation is not given away twice.
fn room(disk: &DiskSpace, extra: ByteSize, limits: Limits) -> Result<(), Shortage> {
    if disk.maximum == ByteSize::ZERO || disk.available == ByteSize::ZERO {
        return Err(Shortage::Empty);
    }
    let used = disk.maximum.saturating_sub(disk.available).saturating_sub(disk.reserved);
    let part = |size: ByteSize, percent: u64| {
        ByteSize(u64::try_from(u128::from(size.bytes()) * u128::from(percent) / 100).unwrap_or(u64::MAX))
    };
    let minimum = part(disk.maximum, limits.minimal_available_percent);
    if used.saturating_add(extra).saturating_add(minimum) > disk.maximum {
        return Err(Shortage::Pressure { available: disk.maximum.saturating_sub(used), minimum });
    }
    let schedulable = disk.schedulable(limits).min(disk.promise_limit(limits).saturating_sub(used));
    if extra > schedulable {
        return Err(Shortage::Promised { schedulable });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;
    use crate::scheduling::DiskView;
    use aurochs_api::size::GIB;

    fn replica(name: &str, disk: &str, gib: u64) -> Object<Replica> {
        let spec = ReplicaSpec {
            node_id: "node-1".into(),
            disk_id: disk.into(),
            disk_path: "/d".into(),
            volume_size: ByteSize(gib * GIB),
            ..ReplicaSpec::default()
        };
        Object::new(name, spec)
    }

    fn node(disks: &[(&str, DiskSpace)]) -> NodeView {
        let disks = disks.iter().map(|(uuid, space)| DiskView {
            name: format!("disk-{uuid}"),
            uuid: (*uuid).to_owned(),
            space: *space,
            ..DiskView::default()
        });
        NodeView { name: "node-1".into(), disks: disks.collect(), ..NodeView::default() }
    }

    fn disk(maximum: u64, available: u64, scheduled: u64) -> DiskSpace {
        let gib = |count: u64| ByteSize(count * GIB);
        DiskSpace {
            maximum: gib(maximum),
            available: gib(available),
            reserved: ByteSize::ZERO,
            scheduled: gib(scheduled),
        }
    }

    const LIMITS: Limits = Limits { over_provisioning_percent: 100, minimal_available_percent: 25 };

    #[test]
    fn disk_space_formulas_expansion_check() {
        let short = |space: DiskSpace, wished: u64| {
            let replicas = [replica("r", "a", 10)];
            shortages(replicas.iter(), ByteSize(wished * GIB), &[node(&[("a", space)])], LIMITS)
        };
        assert_eq!(short(disk(100, 90, 10), 75), [], "exactly the minimum stays free");
        assert_eq!(short(disk(100, 90, 10), 76)[0].has_bytes, Some(90 * GIB));
        assert_eq!(short(disk(100, 90, 80), 30), [], "all that may be promised");
        let refusal = short(disk(100, 90, 80), 31);
        assert_eq!((refusal[0].has_bytes, refusal[0].wanted_bytes), (Some(20 * GIB), Some(21 * GIB)));
        assert!(refusal[0].text.starts_with("failed to schedule 22548578304 more bytes to disk disk-a on node-1"));
        assert_eq!(short(disk(0, 0, 0), 11)[0].has_bytes, Some(0));
    }

    /// The second half of the check: used + extra ≤ (maximum − reserved) × over-provisioning %.
    #[test]
    fn disk_space_formulas_expansion_check_of_what_may_be_promised() {
        // (maximum, available, reserved, minimal %, over %, extra, what there is for it where it is too little)
        let rows = [
            (100, 40, 30, 25, 100, 40, None),
            (100, 40, 30, 25, 100, 45, Some(40)),
            (100, 30, 0, 0, 100, 30, None),
            (100, 30, 0, 0, 100, 50, Some(30)),
            (100, 60, 0, 25, 50, 10, None),
            (100, 60, 0, 25, 50, 11, Some(10)),
            (100, 40, 0, 25, 50, 15, Some(0)),
            (100, 40, 0, 25, 200, 15, None),
        ];
        for (maximum, available, reserved, minimal, over, extra, expected) in rows {
            let space = DiskSpace { reserved: ByteSize(reserved * GIB), ..disk(maximum, available, 10) };
            let limits = Limits { over_provisioning_percent: over, minimal_available_percent: minimal };
            let (replicas, nodes) = ([replica("r", "a", 10)], [node(&[("a", space)])]);
            let short = shortages(replicas.iter(), ByteSize((10 + extra) * GIB), &nodes, limits);
            let has = short.first().map(|detail| detail.has_bytes.unwrap() / GIB);
            assert_eq!(has, expected, "{maximum} {available} {reserved} {minimal} {over} {extra}");
        }
    }

    #[test]
    fn replicas_on_one_disk_grow_together_and_a_lost_disk_is_named() {
        let nodes = [node(&[("a", disk(100, 90, 20))])];
        let both = [replica("r", "a", 10), replica("s", "a", 10)];
        assert_eq!(shortages(both.iter(), ByteSize(42 * GIB), &nodes, LIMITS), []);
        assert_eq!(shortages(both.iter(), ByteSize(43 * GIB), &nodes, LIMITS).len(), 1);
        let away = [replica("r", "b", 10)];
        assert_eq!(shortages(away.iter(), ByteSize(11 * GIB), &nodes, LIMITS)[0].disk, "b");
        assert_eq!(shortages(away.iter(), ByteSize(10 * GIB), &nodes, LIMITS), [], "nothing to grow");
    }
}
