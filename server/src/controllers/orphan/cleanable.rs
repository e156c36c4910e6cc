//! Whether what an orphan stands for may be removed now, in Longhorn's reasons. Pure.

use crate::resources::node::READY;
use crate::resources::orphan::{OrphanSpec, OrphanType, PARAMETER_DISK_NAME, PARAMETER_DISK_PATH, PARAMETER_DISK_UUID};
use crate::resources::{Node, Object, condition};

pub(super) const NODE_UNAVAILABLE: &str = "NodeUnavailable";
const NODE_EVICTED: &str = "NodeEvicted";
const DISK_INVALID: &str = "DiskInvalid";
const DISK_EVICTED: &str = "DiskEvicted";
const DISK_CHANGED: &str = "DiskChanged";

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCleanable {
    /// Longhorn's word.
    pub reason: &'static str,
    pub message: String,
    /// The node or disk was taken away: only the record is left.
    gone: bool,
}

impl NotCleanable {
    /// Whether nothing but the record is ours any more: it may go alone.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        self.gone
    }
}

/// `answers`: the node's instance manager does.
pub fn of(orphan: &OrphanSpec, node: Option<&Object<Node>>, answers: bool) -> Result<(), NotCleanable> {
    let refused = |reason, message: String| Err(NotCleanable { reason, message, gone: false });
    let gone = |reason, message: String| Err(NotCleanable { reason, message, gone: true });
    let name = &orphan.node_id;
    let Some(node) = node else { return gone(NODE_UNAVAILABLE, format!("{name} is no node any more")) };
    if !answers {
        return refused(NODE_UNAVAILABLE, format!("{name} does not answer"));
    }
    if orphan.orphan_type != OrphanType::Replica {
        return Ok(());
    }
    if node.spec.eviction_requested {
        return refused(NODE_EVICTED, format!("{name} is being emptied"));
    }
    let parameter = |key: &str| orphan.parameters.get(key).map(String::as_str).unwrap_or_default();
    let disk = parameter(PARAMETER_DISK_NAME);
    let Some(spec) = node.spec.disks.get(disk) else {
        return gone(DISK_INVALID, format!("{disk} is no disk of {name} any more"));
    };
    let Some(status) = node.status.disk_status.get(disk).filter(|found| condition::is_true(&found.conditions, READY))
    else {
        return refused(DISK_INVALID, format!("the disk {disk} on {name} is not ready"));
    };
    if status.disk_uuid != parameter(PARAMETER_DISK_UUID) || spec.path != parameter(PARAMETER_DISK_PATH) {
        return refused(DISK_CHANGED, format!("the disk {disk} on {name} is another one than the data was found on"));
    }
    if spec.eviction_requested {
        return refused(DISK_EVICTED, format!("the disk {disk} on {name} is being emptied"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aurochs_api::condition::ConditionStatus;

    use super::*;
    use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec};

    fn node(change: impl FnOnce(&mut Object<Node>)) -> Object<Node> {
        let disk = DiskSpec { path: "/mnt/d".into(), ..DiskSpec::default() };
        let spec = NodeSpec { disks: [("d".to_owned(), disk)].into(), ..NodeSpec::default() };
        let mut node = Object::<Node>::new("n", spec);
        let mut found = DiskStatus { disk_uuid: "u".into(), ..DiskStatus::default() };
        condition::set(&mut found.conditions, READY, ConditionStatus::True, "", "");
        node.status.disk_status.insert("d".to_owned(), found);
        change(&mut node);
        node
    }

    /// behaviour.md §9 and the conditions of crds.md.
    #[test]
    fn reasons_why_data_stays() {
        let parameters = [("DiskName", "d"), ("DiskUUID", "u"), ("DiskPath", "/mnt/d"), ("DataName", "v-00000001")];
        let parameters = parameters.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let data = OrphanSpec { node_id: "n".into(), parameters, ..OrphanSpec::default() };
        let process = OrphanSpec { orphan_type: OrphanType::EngineInstance, ..data.clone() };
        let disk = |node: &mut Object<Node>, change: fn(&mut DiskSpec)| node.spec.disks.values_mut().for_each(change);
        for (case, orphan, node, answers, reason, for_good) in [
            ("all is well", &data, Some(node(|_| {})), true, "", false),
            ("no such node", &data, None, false, "NodeUnavailable", true),
            ("node down", &data, Some(node(|_| {})), false, "NodeUnavailable", false),
            ("node emptied", &data, Some(node(|node| node.spec.eviction_requested = true)), true, "NodeEvicted", false),
            ("no such disk", &data, Some(node(|node| node.spec.disks.clear())), true, "DiskInvalid", true),
            (
                "disk not ready",
                &data,
                Some(node(|node| node.status.disk_status.values_mut().for_each(|disk| disk.conditions.clear()))),
                true,
                "DiskInvalid",
                false,
            ),
            (
                "another disk",
                &data,
                Some(node(|node| node.status.disk_status.values_mut().for_each(|disk| disk.disk_uuid = "v".into()))),
                true,
                "DiskChanged",
                false,
            ),
            (
                "another path",
                &data,
                Some(node(|node| disk(node, |disk| disk.path = "/mnt/e".into()))),
                true,
                "DiskChanged",
                false,
            ),
            (
                "disk emptied",
                &data,
                Some(node(|node| disk(node, |disk| disk.eviction_requested = true))),
                true,
                "DiskEvicted",
                false,
            ),
            ("a process needs no disk", &process, Some(node(|node| node.spec.disks.clear())), true, "", false),
            ("a process on a node that is down", &process, Some(node(|_| {})), false, "NodeUnavailable", false),
        ] {
            match of(orphan, node.as_ref(), answers) {
                Ok(()) => assert_eq!(reason, "", "{case}"),
                Err(refusal) => assert_eq!((refusal.reason, refusal.is_for_good()), (reason, for_good), "{case}"),
            }
        }
    }
}
