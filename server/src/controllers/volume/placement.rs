//! Gives replicas a place: asks the scheduler with the present of all nodes, one placement at a time.

use std::collections::BTreeMap;

use aurochs_api::cause::Cause;
use aurochs_api::size::ByteSize;

use super::super::{Context, Error};
use super::Volumes;
use super::family::{Family, new_replica};
use crate::resources::node::READY;
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::volume::{DataLocality, VolumeSpec};
use crate::resources::{LABEL_NODE, Node, Object, Replica, Volume, condition};
use crate::scheduling::space::{DiskSpace, Limits};
use crate::scheduling::{DiskView, NodeView, Place, Request, Rules, Taken, place};
use crate::settings::{Name, Settings};

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

/// A request for a replica of this volume, with overrides resolved.
#[must_use]
pub fn request(name: &str, spec: &VolumeSpec, settings: &Settings) -> Request {
    Request {
        volume: name.to_owned(),
        size: spec.size,
        required: ByteSize::ZERO,
        node_selector: spec.node_selector.clone(),
        disk_selector: spec.disk_selector.clone(),
        node_soft: spec.replica_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaSoftAntiAffinity)),
        zone_soft: spec.replica_zone_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaZoneSoftAntiAffinity)),
        disk_soft: spec.replica_disk_soft_anti_affinity.or_setting(settings.flag(Name::ReplicaDiskSoftAntiAffinity)),
        ..Request::default()
    }
}

/// All nodes as the scheduler sees them. Promised space is counted from the replicas themselves: node statuses lag.
#[must_use]
pub fn views(nodes: &[Object<Node>], replicas: &[Object<Replica>]) -> Vec<NodeView> {
    let mut promised: BTreeMap<&str, ByteSize> = BTreeMap::new();
    for replica in replicas.iter().filter(|replica| !replica.spec.disk_id.is_empty()) {
        let sum = promised.entry(replica.spec.disk_id.as_str()).or_default();
        *sum = sum.saturating_add(replica.spec.volume_size);
    }
    nodes.iter().filter(|node| !node.is_deleting()).map(|node| view(node, &promised)).collect()
}

fn view(node: &Object<Node>, promised: &BTreeMap<&str, ByteSize>) -> NodeView {
    let disks = node.spec.disks.iter().map(|(name, spec)| {
        let status = node.status.disk_status.get(name).cloned().unwrap_or_default();
        DiskView {
            name: name.clone(),
            ready: condition::is_true(&status.conditions, READY) && !status.disk_uuid.is_empty(),
            path: spec.path.clone(),
            allow_scheduling: spec.allow_scheduling,
            evicting: spec.eviction_requested,
            tags: spec.tags.clone(),
            space: DiskSpace {
                maximum: status.storage_maximum,
                available: status.storage_available,
                reserved: spec.storage_reserved,
                scheduled: promised.get(status.disk_uuid.as_str()).copied().unwrap_or_default(),
            },
            uuid: status.disk_uuid,
        }
    });
    let ready = condition::find(&node.status.conditions, READY);
    NodeView {
        name: node.name().to_owned(),
        zone: node.status.zone.clone(),
        ready: condition::is_true(&node.status.conditions, READY),
        not_ready_reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
        allow_scheduling: node.spec.allow_scheduling && !node.spec.eviction_requested,
        tags: node.spec.tags.clone(),
        disks: disks.collect(),
    }
}

/// Places that count as taken: healthy and new replicas, and failed ones that may come back.
fn taken<'a>(replicas: impl Iterator<Item = &'a Object<Replica>>, replacing: bool) -> Vec<Taken> {
    let counts = |replica: &&Object<Replica>| {
        let may_return = !replacing && replica.spec.rebuild_retry_count < REBUILD_RETRIES_MAXIMUM;
        replica.spec.is_placed() && (!replica.spec.has_failed() || may_return)
    };
    let taken = replicas.filter(counts).map(|replica| Taken {
        node: replica.spec.node_id.clone(),
        disk_uuid: replica.spec.disk_id.clone(),
        evicting: replica.spec.eviction_requested,
    });
    taken.collect()
}

/// Makes the replicas that a volume lacks from the start and gives places to those without; the cause when one finds
/// none. Later losses are the rebuild's business.
pub(super) async fn ensure(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &mut Family,
) -> Result<Option<Cause>, Error> {
    let wished = usize::try_from(volume.spec.number_of_replicas).unwrap_or(usize::MAX);
    let never_attached = family.staying().all(|replica| {
        replica.spec.last_healthy_at.is_empty() && replica.spec.healthy_at.is_empty() && !replica.spec.has_failed()
    });
    if never_attached {
        while family.staying().count() < wished {
            family.replicas.push(volumes.context.store.create(&new_replica(volume)).await?);
        }
    }
    let unplaced: Vec<usize> = (0..family.replicas.len())
        .filter(|&index| !family.replicas[index].spec.is_placed() && !family.replicas[index].is_deleting())
        .collect();
    if unplaced.is_empty() {
        return Ok(None);
    }
    // Two volumes placed at once would both see the same free space.
    let _one_at_a_time = volumes.placing.lock().await;
    for index in unplaced {
        match find(&volumes.context, volume, family, false).await? {
            Ok(found) => {
                let name = family.replicas[index].name().to_owned();
                let change = |replica: &mut Object<Replica>| put(replica, &found);
                family.replicas[index] = volumes.context.store.modify::<Replica>(&name, change).await?;
            }
            Err(cause) => return Ok(Some(cause)),
        }
    }
    Ok(None)
}

/// Makes one more replica if there is a place for it: the replacement of one that is lost.
pub(super) async fn replace(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
) -> Result<Result<(), Cause>, Error> {
    let _one_at_a_time = volumes.placing.lock().await;
    match find(&volumes.context, volume, family, true).await? {
        Ok(found) => {
            let mut replica = new_replica(volume);
            put(&mut replica, &found);
            volumes.context.store.create(&replica).await?;
            Ok(Ok(()))
        }
        Err(cause) => Ok(Err(cause)),
    }
}

async fn find(
    context: &Context,
    volume: &Object<Volume>,
    family: &Family,
    replacing: bool,
) -> Result<Result<Place, Cause>, Error> {
    let nodes = context.store.list::<Node>().await?;
    let replicas = context.store.list::<Replica>().await?;
    let mut request = request(volume.name(), &volume.spec, &context.settings);
    request.taken = taken(family.staying(), replacing);
    if replacing {
        request.required = family.engine.status.actual_size;
    }
    let holds_one = |node: &str| request.taken.iter().any(|taken| taken.node == node);
    match volume.spec.data_locality {
        DataLocality::Disabled => {}
        DataLocality::BestEffort if holds_one(&volume.spec.node_id) => {}
        DataLocality::BestEffort => {
            request.preferred_node = Some(volume.spec.node_id.clone()).filter(|node| !node.is_empty());
        }
        DataLocality::StrictLocal => {
            request.only_node = Some(volume.spec.node_id.clone()).filter(|node| !node.is_empty());
        }
    }
    Ok(place(&request, &views(&nodes, &replicas), &rules(&context.settings)))
}

fn put(replica: &mut Object<Replica>, place: &Place) {
    replica.metadata.labels.insert(LABEL_NODE.to_owned(), place.node.clone());
    replica.spec.node_id.clone_from(&place.node);
    replica.spec.disk_id.clone_from(&place.disk_uuid);
    replica.spec.disk_path.clone_from(&place.disk_path);
}
