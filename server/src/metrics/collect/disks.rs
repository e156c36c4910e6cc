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
    let mut family = page.gauge("longhorn_disk_status", "Conditions of the disk: 1 where one is true.");
    for node in &world.nodes {
        for (disk, _, status) in disks(node) {
            conditions(&mut family, &[("node", node.name()), ("disk", disk)], &status.conditions);
        }
    }
}
