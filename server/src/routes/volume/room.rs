//! Whether a new volume could be anywhere: a disk that is large enough, and tags that somebody has.

use aurochs_api::ids::VolumeName;
use aurochs_api::size::ByteSize;

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::Node;
use crate::resources::volume::VolumeSpec;
use crate::settings::{Name, Settings};
use crate::store::Store;

/// A volume that no disk could ever hold, not even an empty one, is a slip of the hand. One that merely finds no room
/// now is created, and its cause says what is missing, as Longhorn does.
pub(super) async fn check_size(
    store: &Store,
    settings: &Settings,
    name: &VolumeName,
    size: ByteSize,
) -> Result<(), ApiError> {
    let percent = u128::from(settings.number(Name::StorageOverProvisioningPercentage));
    let nodes = store.list::<Node>().await?;
    let mut best: Option<(ByteSize, String)> = None;
    for node in &nodes {
        for (disk, status) in &node.status.disk_status {
            let reserved = node.spec.disks.get(disk).map(|disk| disk.storage_reserved).unwrap_or_default();
            let bytes = u128::from(status.storage_maximum.saturating_sub(reserved).bytes()) * percent / 100;
            let room = ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX));
            if best.as_ref().is_none_or(|(most, _)| room > *most) {
                best = Some((room, format!("{disk} on {}", node.name())));
            }
        }
    }
    match best {
        // Until the disks were looked at, nothing is known.
        None => Ok(()),
        Some((ByteSize::ZERO, _)) => Ok(()),
        Some((room, _)) if size <= room => Ok(()),
        Some((room, disk)) => {
            let message = format_args!(
                "volume {name} of {size} does not fit on any disk: the largest, {disk}, takes {room} when it is empty"
            );
            Err(invalid(message, "Give a smaller size, add a larger disk, or lower the reservation of a disk."))
        }
    }
}

/// A tag that no node or disk has is a misspelling.
pub(super) async fn check_selectors(store: &Store, spec: &VolumeSpec) -> Result<(), ApiError> {
    if spec.node_selector.is_empty() && spec.disk_selector.is_empty() {
        return Ok(());
    }
    let nodes = store.list::<Node>().await?;
    let node_tags: Vec<&String> = nodes.iter().flat_map(|node| &node.spec.tags).collect();
    let disk_tags: Vec<&String> =
        nodes.iter().flat_map(|node| node.spec.disks.values()).flat_map(|disk| &disk.tags).collect();
    for (what, wished, known) in [("node", &spec.node_selector, &node_tags), ("disk", &spec.disk_selector, &disk_tags)]
    {
        if let Some(tag) = wished.iter().find(|tag| !known.contains(tag)) {
            let message = format_args!("the {what} tag {tag:?} of the volume's {what}Selector does not exist");
            return Err(invalid(message, format_args!("Give a {what} that tag first, or leave it out.")));
        }
    }
    Ok(())
}
