//! A node with its disks: wishes and findings in one.

use aurochs_api::node::{Disk, Node as NodeView};
use aurochs_api::schema::Resource;

use super::condition_map;
use super::envelope::Links;
use super::volume::word;
use crate::resources::node::{DiskSpec, DiskStatus};
use crate::resources::{Node, Object};

#[must_use]
pub fn resource(node: &Object<Node>, links: Links<'_>) -> Resource<NodeView> {
    links.thing(node.name(), view(node))
}

fn view(node: &Object<Node>) -> NodeView {
    let (spec, status) = (&node.spec, &node.status);
    NodeView {
        name: node.name().to_owned(),
        address: String::new(),
        allow_scheduling: spec.allow_scheduling,
        eviction_requested: spec.eviction_requested,
        auto_evicting: status.auto_evicting,
        conditions: condition_map(&status.conditions),
        disks: spec.disks.iter().map(|(name, wish)| (name.clone(), disk(wish, status.disk_status.get(name)))).collect(),
        region: status.region.clone(),
        zone: status.zone.clone(),
        tags: spec.tags.clone(),
        instance_manager_cpu_request: spec.instance_manager_cpu_request,
        causes: status.causes.clone(),
        frontends: status.frontends.clone(),
        cordoned: spec.cordoned,
        environment: status.environment.clone(),
        labels: node.metadata.labels.clone(),
        annotations: node.metadata.annotations.clone(),
    }
}

fn disk(wish: &DiskSpec, found: Option<&DiskStatus>) -> Disk {
    // A disk that was just added has not been looked at yet.
    let unknown = DiskStatus::default();
    let found = found.unwrap_or(&unknown);
    Disk {
        path: wish.path.clone(),
        disk_type: word(&wish.kind),
        disk_driver: wish.disk_driver.clone(),
        disk_uuid: found.disk_uuid.clone(),
        allow_scheduling: wish.allow_scheduling,
        eviction_requested: wish.eviction_requested,
        conditions: condition_map(&found.conditions),
        storage_maximum: found.storage_maximum,
        storage_available: found.storage_available,
        storage_reserved: wish.storage_reserved,
        storage_scheduled: found.storage_scheduled,
        scheduled_replica: found.scheduled_replica.clone(),
        scheduled_backing_image: found.scheduled_backing_image.clone(),
        tags: wish.tags.clone(),
        health_data: found.health_data.clone(),
        health_data_last_collected_at: found.health_data_last_collected_at.clone(),
        causes: found.causes.clone(),
        filesystem_type: found.filesystem_type.clone(),
    }
}
