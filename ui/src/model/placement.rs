//! Where the replicas of a new volume would go, as far as the dashboard can tell. The manager decides.

use aurochs_api::node::{Disk, Node, NodeStatus};
use aurochs_api::size::ByteSize;

/// Nodes that have room, in order of their names, and how many replicas were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    pub(crate) replicas: u32,
    pub(crate) size: ByteSize,
    pub(crate) nodes: Vec<String>,
}

/// Room for new replicas on a disk: Longhorn's formula, where a disk may be promised more than it has.
fn room(disk: &Disk, over_provisioning_percent: u64) -> u64 {
    let own = u128::from(disk.storage_maximum.saturating_sub(disk.storage_reserved).bytes());
    let promised = own * u128::from(over_provisioning_percent) / 100;
    u64::try_from(promised).unwrap_or(u64::MAX).saturating_sub(disk.storage_scheduled.bytes())
}

impl Forecast {
    pub(crate) fn of<'a>(
        nodes: impl IntoIterator<Item = &'a Node>,
        size: ByteSize,
        replicas: u32,
        over_provisioning_percent: u64,
    ) -> Self {
        let takes = |disk: &Disk| {
            disk.allow_scheduling && disk.is_schedulable() && room(disk, over_provisioning_percent) >= size.bytes()
        };
        let with_room = nodes.into_iter().filter(|node| {
            node.status() == NodeStatus::Schedulable && !node.eviction_requested && node.disks.values().any(takes)
        });
        let mut names: Vec<String> = with_room.map(|node| node.name.clone()).collect();
        names.sort();
        Self { replicas, size, nodes: names }
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::condition::{Condition, ConditionStatus};

    use super::*;

    fn node(name: &str, maximum: u64, reserved: u64, scheduled: u64) -> Node {
        let yes = Condition { status: ConditionStatus::True, ..Condition::default() };
        let disk = Disk {
            allow_scheduling: true,
            storage_maximum: ByteSize(maximum),
            storage_reserved: ByteSize(reserved),
            storage_scheduled: ByteSize(scheduled),
            conditions: [("Schedulable".to_owned(), yes.clone())].into(),
            ..Disk::default()
        };
        Node {
            name: name.into(),
            allow_scheduling: true,
            conditions: [("Ready".to_owned(), yes)].into(),
            disks: [("d".to_owned(), disk)].into(),
            ..Node::default()
        }
    }

    #[test]
    fn full_nodes_are_left_out() {
        let nodes = [node("c", 100, 0, 0), node("a", 100, 40, 10), node("b", 100, 40, 60)];
        let forecast = Forecast::of(&nodes, ByteSize(50), 3, 100);
        assert_eq!(forecast.nodes, ["a", "c"]);
        assert_eq!(Forecast::of(&nodes, ByteSize(50), 3, 200).nodes, ["a", "b", "c"]);
    }
}
