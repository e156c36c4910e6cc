//! Where everything is: zone → node → disk → replica.

use std::collections::BTreeMap;

use aurochs_api::node::{Node, NodeStatus};
use aurochs_api::volume::Volume;

use super::filter::natural;
use super::order::put_in_order;
use super::replicas::{ReplicaPhase, ReplicaView};

/// One replica, as a dot on its disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dot {
    pub(crate) volume: String,
    pub(crate) replica: String,
    pub(crate) phase: ReplicaPhase,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiskBox {
    pub(crate) name: String,
    pub(crate) is_usable: bool,
    /// In percent of the disk.
    pub(crate) used: u64,
    pub(crate) dots: Vec<Dot>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeBox {
    pub(crate) name: String,
    pub(crate) status: NodeStatus,
    pub(crate) disks: Vec<DiskBox>,
}

/// The zone's name is empty for nodes without one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ZoneBox {
    pub(crate) name: String,
    pub(crate) nodes: Vec<NodeBox>,
}

/// The whole picture, and the replicas that have no place yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topology {
    pub(crate) zones: Vec<ZoneBox>,
    pub(crate) homeless: Vec<Dot>,
}

impl Topology {
    pub(crate) fn of<'a>(
        nodes: impl IntoIterator<Item = &'a Node>,
        volumes: impl IntoIterator<Item = &'a Volume>,
    ) -> Self {
        // By node, then by disk: its UUID where it is known, else its path.
        let mut placed: BTreeMap<String, Vec<(String, String, Dot)>> = BTreeMap::new();
        let mut homeless = Vec::new();
        for volume in volumes {
            for view in ReplicaView::all(volume) {
                let dot = Dot { volume: volume.name.clone(), replica: view.replica.name.clone(), phase: view.phase };
                if view.replica.host_id.is_empty() {
                    homeless.push(dot);
                } else {
                    let place = (view.replica.disk_id.clone(), view.replica.disk_path.clone(), dot);
                    placed.entry(view.replica.host_id.clone()).or_default().push(place);
                }
            }
        }
        let mut zones: BTreeMap<String, Vec<NodeBox>> = BTreeMap::new();
        for node in nodes {
            let zone = match (node.region.as_str(), node.zone.as_str()) {
                ("", zone) => zone.to_owned(),
                (region, "") => region.to_owned(),
                (region, zone) => format!("{region} / {zone}"),
            };
            let here = placed.remove(&node.name).unwrap_or_default();
            zones.entry(zone).or_default().push(node_box(node, here));
        }
        // A node that is gone may still be named by a replica.
        homeless.extend(placed.into_values().flatten().map(|(_, _, dot)| dot));
        let mut zones: Vec<ZoneBox> = zones.into_iter().map(|(name, nodes)| ZoneBox { name, nodes }).collect();
        for zone in &mut zones {
            put_in_order(&mut zone.nodes, &|a, b| natural(&a.name, &b.name));
        }
        put_in_order(&mut zones, &|a, b| natural(&a.name, &b.name));
        Self { zones, homeless }
    }

    /// All dots with zone, node and disk, in the order of the picture.
    pub(crate) fn places(&self) -> Vec<(&str, &str, &str, &Dot)> {
        let mut all = Vec::new();
        for zone in &self.zones {
            for node in &zone.nodes {
                for disk in &node.disks {
                    all.extend(
                        disk.dots.iter().map(|dot| (zone.name.as_str(), node.name.as_str(), disk.name.as_str(), dot)),
                    );
                }
            }
        }
        all.extend(self.homeless.iter().map(|dot| ("", "", "", dot)));
        all
    }
}

fn node_box(node: &Node, here: Vec<(String, String, Dot)>) -> NodeBox {
    let used = |available: u64, maximum: u64| {
        let taken = u128::from(maximum.saturating_sub(available)) * 100;
        taken.checked_div(u128::from(maximum)).and_then(|share| u64::try_from(share).ok()).unwrap_or_default()
    };
    let mut disks: Vec<(&str, &str, DiskBox)> = node
        .disks
        .iter()
        .map(|(name, disk)| {
            let shape = DiskBox {
                name: name.clone(),
                is_usable: disk.allow_scheduling && disk.is_schedulable() && node.allow_scheduling,
                used: used(disk.storage_available.bytes(), disk.storage_maximum.bytes()),
                dots: Vec::new(),
            };
            (disk.disk_uuid.as_str(), disk.path.as_str(), shape)
        })
        .collect();
    let mut elsewhere = Vec::new();
    for (uuid, path, dot) in here {
        let found = disks.iter_mut().find(|(id, at, _)| if uuid.is_empty() { *at == path } else { *id == uuid });
        match found {
            Some((_, _, disk)) => disk.dots.push(dot),
            None => elsewhere.push(dot),
        }
    }
    let mut disks: Vec<DiskBox> = disks.into_iter().map(|(_, _, disk)| disk).collect();
    if !elsewhere.is_empty() {
        disks.push(DiskBox { name: String::new(), is_usable: false, used: 0, dots: elsewhere });
    }
    for disk in &mut disks {
        put_in_order(&mut disk.dots, &|a, b| natural(&a.volume, &b.volume).then_with(|| a.replica.cmp(&b.replica)));
    }
    NodeBox { name: node.name.clone(), status: node.status(), disks }
}

#[cfg(test)]
mod tests {
    use aurochs_api::node::Disk;
    use aurochs_api::replica::Replica;

    use super::*;

    #[test]
    fn every_replica_is_somewhere() {
        let disk = |uuid: &str, path: &str| Disk { disk_uuid: uuid.into(), path: path.into(), ..Disk::default() };
        let node = |name: &str, zone: &str| Node {
            name: name.into(),
            zone: zone.into(),
            disks: [
                ("d1".to_owned(), disk(&format!("{name}-1"), "/1")),
                ("d2".to_owned(), disk(&format!("{name}-2"), "/2")),
            ]
            .into(),
            ..Node::default()
        };
        let replica = |name: &str, host: &str, disk: &str, path: &str| Replica {
            name: name.into(),
            host_id: host.into(),
            disk_id: disk.into(),
            disk_path: path.into(),
            ..Replica::default()
        };
        let volume = Volume {
            name: "v".into(),
            replicas: vec![
                replica("r1", "n1", "n1-2", ""),
                replica("r2", "n2", "", "/1"),
                replica("r3", "n2", "gone", "/gone"),
                replica("r4", "", "", ""),
                replica("r5", "n9", "x", "/x"),
            ],
            ..Volume::default()
        };
        let nodes = [node("n10", "b"), node("n2", "b"), node("n1", "a")];
        let picture = Topology::of(&nodes, [&volume]);
        let zones: Vec<_> = picture.zones.iter().map(|zone| zone.name.as_str()).collect();
        assert_eq!(zones, ["a", "b"]);
        assert_eq!(picture.zones[1].nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["n2", "n10"]);
        let places: Vec<_> = picture
            .places()
            .into_iter()
            .map(|(zone, node, disk, dot)| (zone, node, disk, dot.replica.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("a", "n1", "d2", "r1"),
                ("b", "n2", "d1", "r2"),
                ("b", "n2", "", "r3"),
                ("", "", "", "r4"),
                ("", "", "", "r5")
            ]
        );
    }
}
