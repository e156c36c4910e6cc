//! How the copies of a volume are.

use aurochs_api::replica::{Replica, ReplicaMode};
use aurochs_api::volume::{Volume, VolumeState};

use super::rebuild::{Rebuild, is_replica};

/// What one copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplicaPhase {
    /// Serves reads and takes writes.
    Healthy,
    /// Is being filled.
    Rebuilding,
    /// Was dropped, and is used again only after a rebuild.
    Failed,
    /// Holds its data and waits for an engine.
    Stopped,
    /// Its process comes up.
    Starting,
}

/// One copy, as the page of its volume shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaView {
    pub(crate) replica: Replica,
    pub(crate) phase: ReplicaPhase,
    pub(crate) rebuild: Option<Rebuild>,
}

impl ReplicaView {
    pub(crate) fn all(volume: &Volume) -> Vec<Self> {
        let rebuilds = Rebuild::running(volume);
        let view = |replica: &Replica| {
            let rebuild = rebuilds.iter().find(|rebuild| is_replica(&replica.name, &replica.address, &rebuild.replica));
            Self { replica: replica.clone(), phase: phase(volume, replica), rebuild: rebuild.cloned() }
        };
        volume.replicas.iter().map(view).collect()
    }

    /// By node, nodes in order of their names; copies without a node (not yet placed) come under the empty name.
    pub(crate) fn by_node(volume: &Volume) -> Vec<(String, Vec<Self>)> {
        let mut nodes = std::collections::BTreeMap::<String, Vec<Self>>::new();
        for view in Self::all(volume) {
            nodes.entry(view.replica.host_id.clone()).or_default().push(view);
        }
        nodes.into_iter().collect()
    }
}

fn phase(volume: &Volume, replica: &Replica) -> ReplicaPhase {
    if !replica.failed_at.is_empty() {
        return ReplicaPhase::Failed;
    }
    match replica.mode {
        ReplicaMode::ReadWrite => ReplicaPhase::Healthy,
        ReplicaMode::WriteOnly => ReplicaPhase::Rebuilding,
        ReplicaMode::Error => ReplicaPhase::Failed,
        ReplicaMode::None if volume.state == VolumeState::Detached => ReplicaPhase::Stopped,
        ReplicaMode::None if replica.running => ReplicaPhase::Starting,
        ReplicaMode::None => ReplicaPhase::Stopped,
    }
}

/// Copies that hold all data: `(usable, wished)`.
pub(crate) fn usable(volume: &Volume) -> (usize, u32) {
    let engine_decides = volume.state == VolumeState::Attached;
    let counts = |replica: &&Replica| match phase(volume, replica) {
        ReplicaPhase::Healthy => true,
        ReplicaPhase::Stopped | ReplicaPhase::Starting => !engine_decides && !replica.host_id.is_empty(),
        ReplicaPhase::Rebuilding | ReplicaPhase::Failed => false,
    };
    (volume.replicas.iter().filter(counts).count(), volume.number_of_replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: &str, mode: ReplicaMode, failed_at: &str) -> Replica {
        Replica { host_id: node.into(), mode, failed_at: failed_at.into(), ..Replica::default() }
    }

    #[test]
    fn only_read_write_copies_count_while_attached() {
        let volume = Volume {
            state: VolumeState::Attached,
            number_of_replicas: 3,
            replicas: vec![
                replica("node-1", ReplicaMode::ReadWrite, ""),
                replica("node-2", ReplicaMode::WriteOnly, ""),
                replica("node-3", ReplicaMode::None, ""),
            ],
            ..Volume::default()
        };
        assert_eq!(usable(&volume), (1, 3));
    }

    #[test]
    fn a_detached_volume_counts_what_did_not_fail() {
        let volume = Volume {
            state: VolumeState::Detached,
            number_of_replicas: 2,
            replicas: vec![
                replica("node-1", ReplicaMode::None, ""),
                replica("node-2", ReplicaMode::None, "2024-05-01T10:00:00Z"),
                replica("", ReplicaMode::None, ""),
            ],
            ..Volume::default()
        };
        assert_eq!(usable(&volume), (1, 2));
        let nodes: Vec<String> = ReplicaView::by_node(&volume).into_iter().map(|(node, _)| node).collect();
        assert_eq!(nodes, ["", "node-1", "node-2"]);
    }
}
