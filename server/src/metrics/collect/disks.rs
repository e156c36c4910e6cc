//! Disks.

use super::nodes::disks;
use super::{World, conditions};
use crate::metrics::page::Page;
use crate::resources::node::{DiskSpec, DiskStatus};

pub(super) fn write(page: &mut Page, world: &World) {
    let mut gauge = |name, help, value: fn(&DiskSpec, &DiskStatus) -> u64| {
        let mut family = page.gauge(name, help);
        for node in &world.nodes {
            for (disk, spec, status) in disks(node) {
                family.sample(&[("node", node.name()), ("disk", disk)], value(spec, status) as f64);
            }
        }
    };
    gauge("longhorn_disk_capacity_bytes", "Size of the disk.", |_, disk| disk.storage_maximum.bytes());
    gauge("longhorn_disk_usage_bytes", "Bytes used on the disk, by whomever.", |_, disk| {
        disk.storage_maximum.bytes().saturating_sub(disk.storage_available.bytes())
    });
    gauge("longhorn_disk_reservation_bytes", "Bytes of the disk that are kept for others.", |disk, _| {
        disk.storage_reserved.bytes()
    });
    health(page, world);
    let mut family = page.gauge("longhorn_disk_status", "Conditions of the disk: 1 where one is true.");
    for node in &world.nodes {
        for (disk, _, status) in disks(node) {
            conditions(&mut family, &[("node", node.name()), ("disk", disk)], &status.conditions);
        }
    }
}

/// Where devices tell of themselves: 1 while none says that it failed, and what they count.
fn health(page: &mut Page, world: &World) {
    let told = || world.nodes.iter().flat_map(|node| disks(node).map(move |(disk, _, status)| (node, disk, status)));
    let mut family =
        page.gauge("longhorn_disk_health", "1 while no device below the disk says that it failed (SMART).");
    for (node, disk, status) in told().filter(|(.., status)| !status.health_data.is_empty()) {
        let failed = status.health_data.values().any(|device| device.health_status == "FAILED");
        family.sample(&[("node", node.name()), ("disk", disk)], f64::from(u8::from(!failed)));
    }
    let mut family = page.gauge("longhorn_disk_health_attribute_raw", "What a device below the disk counts (SMART).");
    for (node, disk, status) in told() {
        // Several devices below one disk count together: the labels are Longhorn's, and have no device.
        let mut sums: std::collections::BTreeMap<(&str, u32), i64> = std::collections::BTreeMap::new();
        for attribute in status.health_data.values().flat_map(|device| &device.attributes) {
            let sum = sums.entry((attribute.name.as_str(), attribute.id)).or_default();
            *sum = sum.saturating_add(attribute.raw_value);
        }
        for ((name, id), sum) in sums {
            let labels =
                [("node", node.name()), ("disk", disk), ("attribute", name), ("attribute_id", &id.to_string())];
            family.sample(&labels, sum as f64);
        }
    }
}
