//! Snapshots.

use super::World;
use crate::metrics::page::Page;

pub(super) fn write(page: &mut Page, world: &World) {
    let mut family =
        page.gauge("longhorn_snapshot_actual_size_bytes", "Bytes that the snapshot alone takes on a disk.");
    for snapshot in &world.snapshots {
        let user_created = if snapshot.status.user_created { "true" } else { "false" };
        let volume = snapshot.spec.volume.as_str();
        let labels = [("snapshot", snapshot.name()), ("volume", volume), ("user_created", user_created)];
        family.sample(&labels, snapshot.status.size.bytes() as f64);
    }
}
