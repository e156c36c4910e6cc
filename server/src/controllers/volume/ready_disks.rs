//! The disks on which a replica can be used again.

use std::sync::Arc;

use super::super::{Context, Error};
use crate::resources::node::READY;
use crate::resources::{Node, Object, Replica, condition};

/// The nodes, as they last told of their disks.
pub(super) struct ReadyDisks(Vec<Arc<Object<Node>>>);

pub(super) async fn read(context: &Context) -> Result<ReadyDisks, Error> {
    Ok(ReadyDisks(context.store.list_shared::<Node>().await?))
}

impl ReadyDisks {
    pub(super) const fn of(nodes: Vec<Arc<Object<Node>>>) -> Self {
        Self(nodes)
    }

    /// The replica's node has its disk still, by its UUID, and can write to it. What a silent node told last says little.
    pub(super) fn has(&self, replica: &Object<Replica>) -> bool {
        let (node, uuid) = (&replica.spec.node_id, &replica.spec.disk_id);
        let disks = self.0.iter().filter(|one| one.name() == node).flat_map(|one| one.status.disk_status.values());
        disks.into_iter().any(|disk| disk.disk_uuid == *uuid && condition::is_true(&disk.conditions, READY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::condition::ConditionStatus;

    use crate::resources::node::{DiskStatus, NodeSpec};
    use crate::resources::replica::ReplicaSpec;

    /// behaviour.md §3, row "reuse of failed replica": what a fine disk is.
    #[test]
    fn a_disk_that_is_gone_changed_or_read_only_is_not_ready() {
        let mut node = Object::<Node>::new("node-1", NodeSpec::default());
        for (uuid, ready) in [("good", ConditionStatus::True), ("bad", ConditionStatus::False)] {
            let mut disk = DiskStatus { disk_uuid: uuid.into(), ..DiskStatus::default() };
            condition::set(&mut disk.conditions, READY, ready, "", "");
            node.status.disk_status.insert(uuid.into(), disk);
        }
        let disks = ReadyDisks(vec![Arc::new(node)]);
        for (node, uuid, expected) in [
            ("node-1", "good", true),
            ("node-1", "bad", false),
            ("node-1", "gone", false),
            ("node-1", "", false),
            ("node-2", "good", false),
        ] {
            let spec = ReplicaSpec { node_id: node.into(), disk_id: uuid.into(), ..ReplicaSpec::default() };
            assert_eq!(disks.has(&Object::new("r", spec)), expected, "{uuid:?} of {node}");
        }
    }
}
