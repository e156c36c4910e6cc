//! The nodes as the scheduler sees them, read at one moment.

use std::collections::BTreeMap;

use aurochs_api::condition::{Condition, ConditionStatus};
use aurochs_api::size::ByteSize;

use super::super::{Context, Error, engine_image};
use crate::instance::Instances;
use crate::resources::node::{DiskSpec, DiskStatus, READY, SCHEDULABLE};
use crate::resources::{Node, Object, Replica, condition};
use crate::scheduling::space::{DiskSpace, Limits};
use crate::scheduling::{DiskView, NodeView, Rules};
use crate::settings::{Name, Settings};

/// Reasons of the condition `Schedulable` that say nothing which is not reckoned anew here.
const RECKONED_ANEW: [&str; 3] = ["DiskPressure", "DiskNotReady", "SchedulingDisabled"];

/// Longhorn's reason of a node that Kubernetes, or a person, closed for new work.
pub const REASON_CORDONED: &str = "KubernetesNodeCordoned";

/// The space limits that the settings give.
#[must_use]
pub fn limits(settings: &Settings) -> Limits {
    Limits {
        over_provisioning_percent: settings.number(Name::StorageOverProvisioningPercentage),
        minimal_available_percent: settings.number(Name::StorageMinimalAvailablePercentage),
    }
}

/// The rules that the settings give for all volumes.
#[must_use]
pub fn rules(settings: &Settings) -> Rules {
    Rules {
        limits: limits(settings),
        allow_empty_node_selector: settings.flag(Name::AllowEmptyNodeSelectorVolume),
        allow_empty_disk_selector: settings.flag(Name::AllowEmptyDiskSelectorVolume),
    }
}

/// Reads all nodes. The promise of the replica `without` is not counted: the answer is as if it had no place.
pub(in crate::controllers) async fn read(context: &Context, without: Option<&str>) -> Result<Vec<NodeView>, Error> {
    let nodes = context.store.list::<Node>().await?;
    let mut replicas = context.store.list::<Replica>().await?;
    replicas.retain(|replica| without.is_none_or(|without| replica.name() != without));
    Ok(views_now(&nodes, &replicas, &context.settings, &context.instances))
}

/// All nodes as the scheduler sees them, with what settings and running processes say.
#[must_use]
pub fn views_now(
    nodes: &[Object<Node>],
    replicas: &[Object<Replica>],
    settings: &Settings,
    instances: &Instances,
) -> Vec<NodeView> {
    let cordon_counts = settings.flag(Name::DisableSchedulingOnCordonedNode);
    let mut views = views(nodes, replicas);
    for view in &mut views {
        view.unschedulable = view.unschedulable.take().filter(|reason| cordon_counts || reason != REASON_CORDONED);
        // Whatever image the volume has, a new process is of the version that its node runs.
        view.lacks_engine_image = engine_image::lacking_on(&instances.answering(&view.name));
    }
    views
}

/// All nodes as the scheduler sees them. Promised space is counted from the replicas themselves: node statuses lag.
#[must_use]
pub fn views(nodes: &[Object<Node>], replicas: &[Object<Replica>]) -> Vec<NodeView> {
    let mut promised: BTreeMap<&str, ByteSize> = BTreeMap::new();
    for replica in replicas.iter().filter(|replica| !replica.spec.disk_id.is_empty()) {
        let sum = promised.entry(replica.spec.disk_id.as_str()).or_default();
        *sum = sum.saturating_add(replica.spec.volume_size);
    }
    nodes.iter().map(|node| view(node, &promised)).collect()
}

fn view(node: &Object<Node>, promised: &BTreeMap<&str, ByteSize>) -> NodeView {
    let ready = condition::find(&node.status.conditions, READY);
    let disks = node.spec.disks.iter().map(|(name, spec)| {
        let status = node.status.disk_status.get(name).cloned().unwrap_or_default();
        let promised = promised.get(status.disk_uuid.as_str()).copied().unwrap_or_default();
        // Images move seldom: what the node told last is good enough.
        let images: u64 = status.scheduled_backing_image.values().sum();
        let promised = promised.saturating_add(ByteSize(images));
        disk_view(name, spec, status, promised)
    });
    NodeView {
        name: node.name().to_owned(),
        zone: node.status.zone.clone(),
        deleting: node.is_deleting(),
        ready: condition::is_true(&node.status.conditions, READY),
        not_ready_reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
        allow_scheduling: node.spec.allow_scheduling,
        unschedulable: unschedulable(&node.status.conditions),
        evicting: node.spec.eviction_requested || node.status.auto_evicting,
        lacks_engine_image: None,
        tags: node.spec.tags.clone(),
        disks: disks.collect(),
    }
}

fn disk_view(name: &str, spec: &DiskSpec, status: DiskStatus, promised: ByteSize) -> DiskView {
    DiskView {
        name: name.to_owned(),
        ready: condition::is_true(&status.conditions, READY) && !status.disk_uuid.is_empty(),
        path: spec.path.clone(),
        kind: spec.kind,
        filesystem: status.filesystem_type,
        allow_scheduling: spec.allow_scheduling,
        evicting: spec.eviction_requested,
        unschedulable: unschedulable(&status.conditions),
        tags: spec.tags.clone(),
        space: DiskSpace {
            maximum: status.storage_maximum,
            available: status.storage_available,
            reserved: spec.storage_reserved,
            scheduled: promised,
        },
        uuid: status.disk_uuid,
    }
}

fn unschedulable(conditions: &[Condition]) -> Option<String> {
    let refusing = |one: &&Condition| one.status == ConditionStatus::False;
    let condition = condition::find(conditions, SCHEDULABLE).filter(refusing)?;
    (!RECKONED_ANEW.contains(&condition.reason.as_str())).then(|| condition.reason.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::node::NodeSpec;
    use crate::scheduling::{Request, place};

    /// behaviour.md §2, row "node filter": engine image ready on node.
    #[tokio::test]
    async fn node_filter_engine_image_ready_on_node() {
        for (version, expected) in [
            (Some(env!("CARGO_PKG_VERSION")), None),
            (Some("0.0.1"), Some(engine_image::default_image())),
            // A node that is silent is refused for its silence.
            (None, None),
        ] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            if let Some(version) = version {
                context.instances.replace("node-1", version, 7, Vec::new());
            }
            context.store.create(&Object::<Node>::new("node-1", NodeSpec::default())).await.unwrap();
            let views = read(&context, None).await.unwrap();
            assert_eq!(views[0].lacks_engine_image, expected, "{version:?}");
        }
    }

    /// A disk of 100 GiB with 30 GiB free takes a replica only while more than the setting's part stays free.
    #[tokio::test]
    async fn storage_minimal_available_percentage_closes_a_disk() {
        const GIB: u64 = 1 << 30;
        for (minimum, is_placed) in [("0", true), ("25", true), ("29", true), ("30", false), ("100", false)] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            context.instances.replace("node-1", env!("CARGO_PKG_VERSION"), 7, Vec::new());
            context.settings.set(Name::StorageMinimalAvailablePercentage.word(), minimum);
            let disks = [("disk-1".to_owned(), DiskSpec { allow_scheduling: true, ..DiskSpec::default() })].into();
            let spec = NodeSpec { disks, allow_scheduling: true, ..NodeSpec::default() };
            context.store.create(&Object::<Node>::new("node-1", spec)).await.unwrap();
            let ready = |status: &mut crate::resources::node::NodeStatus| {
                condition::set(&mut status.conditions, READY, ConditionStatus::True, "", "");
                let mut disk = DiskStatus {
                    disk_uuid: "d".into(),
                    storage_maximum: ByteSize(100 * GIB),
                    storage_available: ByteSize(30 * GIB),
                    ..DiskStatus::default()
                };
                condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
                status.disk_status.insert("disk-1".into(), disk);
            };
            context.store.modify_status::<Node>("node-1", ready).await.unwrap();
            let request = Request { size: ByteSize(GIB), ..Request::default() };
            let placed = place(&request, &read(&context, None).await.unwrap(), &rules(&context.settings));
            assert_eq!(placed.is_ok(), is_placed, "{minimum}: {placed:?}");
        }
    }

    /// behaviour.md §13 and the setting disable-scheduling-on-cordoned-node.
    #[tokio::test]
    async fn cordoned_nodes_are_refused_as_the_setting_says() {
        for (reason, setting, expected) in [
            (REASON_CORDONED, "true", Some(REASON_CORDONED)),
            (REASON_CORDONED, "false", None),
            ("SomethingElse", "false", Some("SomethingElse")),
            ("DiskPressure", "true", None),
        ] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            context.settings.set(Name::DisableSchedulingOnCordonedNode.word(), setting);
            context.store.create(&Object::<Node>::new("node-1", NodeSpec::default())).await.unwrap();
            let closed = |status: &mut crate::resources::node::NodeStatus| {
                condition::set(&mut status.conditions, SCHEDULABLE, ConditionStatus::False, reason, "");
            };
            context.store.modify_status::<Node>("node-1", closed).await.unwrap();
            let views = read(&context, None).await.unwrap();
            assert_eq!(views[0].unschedulable.as_deref(), expected, "{reason} {setting}");
        }
    }

    /// behaviour.md §2, "storageScheduled": the sum over the replicas of this disk, wherever their nodes say they are.
    #[test]
    fn disk_space_formulas_storage_scheduled() {
        use crate::resources::node::DiskSpec;
        use crate::resources::replica::ReplicaSpec;
        let mut node = Object::<Node>::new("node-1", NodeSpec::default());
        for disk in ["a", "b", "c"] {
            node.spec.disks.insert(disk.into(), DiskSpec::default());
            node.status.disk_status.insert(disk.into(), DiskStatus { disk_uuid: disk.into(), ..Default::default() });
        }
        let replica = |disk: &str, bytes: u64| {
            let spec = ReplicaSpec { disk_id: disk.into(), volume_size: ByteSize(bytes), ..ReplicaSpec::default() };
            Object::<Replica>::new("r", spec)
        };
        let views = views(&[node], &[replica("a", 5), replica("a", 7), replica("b", 1), replica("", 9)]);
        let scheduled: Vec<u64> = views[0].disks.iter().map(|disk| disk.space.scheduled.bytes()).collect();
        assert_eq!(scheduled, [12, 1, 0]);
    }
}
