//! Backing images with their copies, and their backups.

use std::collections::BTreeMap;

use aurochs_api::backing_image::FileState;

use super::World;
use super::backups::number;
use crate::metrics::page::Page;

pub(super) fn write(page: &mut Page, world: &World) {
    let mut disks: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for node in &world.nodes {
        let named = node.status.disk_status.iter().filter(|(_, disk)| !disk.disk_uuid.is_empty());
        disks.extend(named.map(|(name, disk)| (disk.disk_uuid.as_str(), (node.name(), name.as_str()))));
    }
    let copies: Vec<_> = world
        .backing_images
        .iter()
        .flat_map(|image| image.status.disk_file_status_map.iter().map(move |(uuid, copy)| (image, uuid, copy)))
        .collect();
    let labels = |image: &'_ str, uuid: &str| {
        let (node, disk) = disks.get(uuid).copied().unwrap_or_default();
        [("node", node.to_owned()), ("disk", disk.to_owned()), ("backing_image", image.to_owned())]
    };
    let mut family =
        page.gauge("longhorn_backing_image_actual_size_bytes", "Bytes that the copy of the image takes on the disk.");
    for (image, uuid, copy) in &copies {
        let labels = labels(image.name(), uuid);
        let bytes = if copy.state == FileState::Ready { image.status.real_size.bytes() } else { 0 };
        family.sample(&labels.each_ref().map(|(label, value)| (*label, value.as_str())), bytes as f64);
    }
    let help = "State of the copy of the image: 0 pending, 1 starting, 2 being made, 3 ready for transfer, 4 ready, 5 \
                failed, 6 being removed, 7 unknown.";
    let mut family = page.gauge("longhorn_backing_image_state", help);
    for (image, uuid, copy) in &copies {
        let labels = labels(image.name(), uuid);
        let state = f64::from(number_of(copy.state));
        family.sample(&labels.each_ref().map(|(label, value)| (*label, value.as_str())), state);
    }
    let mut family = page
        .gauge("longhorn_backup_backing_image_actual_size_bytes", "Bytes of the image that the backup is a backup of.");
    for backup in &world.backup_backing_images {
        family.sample(&[("backup_backing_image", backup.name())], backup.status.size.bytes() as f64);
    }
    let help = "State of the image's backup: 0 new, 1 waits, 2 runs, 3 complete, 4 failed, 5 unknown.";
    let mut family = page.gauge("longhorn_backup_backing_image_state", help);
    for backup in &world.backup_backing_images {
        family.sample(&[("backup_backing_image", backup.name())], f64::from(number(backup.status.state)));
    }
}

const fn number_of(state: FileState) -> u8 {
    match state {
        FileState::Pending => 0,
        FileState::Starting => 1,
        FileState::InProgress => 2,
        FileState::ReadyForTransfer => 3,
        FileState::Ready => 4,
        FileState::Failed => 5,
        FileState::FailedAndCleanup => 6,
        FileState::Unknown => 7,
    }
}
