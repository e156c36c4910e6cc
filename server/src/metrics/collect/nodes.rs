//! Nodes: their conditions and the sums of their disks, and the machine below them.

use super::{World, conditions};
use crate::metrics::machine::{self, Machine};
use crate::metrics::page::Page;
use crate::resources::node::{DiskSpec, DiskStatus};
use crate::resources::{Node, Object};

pub(super) fn write(page: &mut Page, world: &World) {
    page.gauge("longhorn_node_count_total", "Number of nodes.").sample(&[], world.nodes.len() as f64);
    let mut family = page.gauge("longhorn_node_status", "Conditions of the node: 1 where one is true.");
    for node in &world.nodes {
        conditions(&mut family, &[("node", node.name())], &node.status.conditions);
        let scheduling = [("node", node.name()), ("condition", "allowScheduling"), ("condition_reason", "")];
        family.flag(&scheduling, node.spec.allow_scheduling);
    }
    storage(page, world);
    usage(page, world);
}

/// Disks of a node that have been looked at.
pub(super) fn disks(node: &Object<Node>) -> impl Iterator<Item = (&str, &DiskSpec, &DiskStatus)> {
    node.spec.disks.iter().filter_map(|(name, spec)| Some((name.as_str(), spec, node.status.disk_status.get(name)?)))
}

fn storage(page: &mut Page, world: &World) {
    let mut gauge = |name, help, value: fn(&DiskSpec, &DiskStatus) -> u64| {
        let mut family = page.gauge(name, help);
        for node in &world.nodes {
            // A reservation may be any number while the disk was not looked at.
            let values = disks(node).map(|(_, spec, status)| value(spec, status));
            let sum = values.fold(0, u64::saturating_add);
            family.sample(&[("node", node.name())], sum as f64);
        }
    };
    gauge("longhorn_node_storage_capacity_bytes", "Size of the node's disks.", |_, disk| disk.storage_maximum.bytes());
    gauge("longhorn_node_storage_usage_bytes", "Bytes used on the node's disks, by whomever.", |_, disk| {
        disk.storage_maximum.bytes().saturating_sub(disk.storage_available.bytes())
    });
    gauge(
        "longhorn_node_storage_reservation_bytes",
        "Bytes of the node's disks that are kept for others.",
        |disk, _| disk.storage_reserved.bytes(),
    );
    gauge("longhorn_node_storage_scheduled_bytes", "Bytes to which what is placed on the node may grow.", |_, disk| {
        disk.storage_scheduled.bytes()
    });
}

/// Logical nodes of one machine show the same machine.
fn usage(page: &mut Page, world: &World) {
    let Some(machine) = machine::machine() else { return };
    let mut gauge = |name, help, value: fn(&Machine) -> f64| {
        let mut family = page.gauge(name, help);
        world.nodes.iter().for_each(|node| family.sample(&[("node", node.name())], value(&machine)));
    };
    gauge("longhorn_node_cpu_usage_millicpu", "Processors in use on the node's machine.", |machine| {
        machine.cpu_used_millicpu
    });
    gauge("longhorn_node_cpu_capacity_millicpu", "Processors of the node's machine.", |machine| {
        machine.cpu_capacity_millicpu
    });
    gauge("longhorn_node_memory_usage_bytes", "Memory in use on the node's machine.", |machine| {
        machine.memory_used_bytes
    });
    gauge("longhorn_node_memory_capacity_bytes", "Memory of the node's machine.", |machine| {
        machine.memory_capacity_bytes
    });
}
