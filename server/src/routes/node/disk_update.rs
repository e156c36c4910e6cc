//! `diskUpdate`: the disks of a node, all of them: a disk that is left out is taken away.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use aurochs_api::node::{DiskUpdateInput, DiskWish, Node as NodeView};
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;

use super::update;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::nouns::action::Target;
use crate::resources::node::{DiskSpec, DiskType};
use crate::resources::{Node, Object};
use crate::view::envelope::Links;
use crate::view::node;

/// Answers with the node.
pub async fn handle(target: Target, input: DiskUpdateInput) -> Result<Resource<NodeView>, ApiError> {
    let (store, name) = (&target.app.store, target.name.as_str());
    let node = store.get::<Node>(name).await?;
    let mut disks = BTreeMap::new();
    for (disk, wish) in &input.disks {
        disks.insert(disk.clone(), checked(&node, disk, wish)?);
    }
    check_paths(&disks)?;
    check_removed(&node, &disks)?;
    let changed = store.modify::<Node>(name, |node| node.spec.disks.clone_from(&disks)).await?;
    tracing::info!(node = name, disks = disks.len(), "disks changed");
    Ok(node::resource(&changed, Links::of(&target.url)))
}

fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

fn checked(node: &Object<Node>, disk: &str, wish: &DiskWish) -> Result<DiskSpec, ApiError> {
    if disk.is_empty() || disk.len() > 63 {
        return Err(invalid(format_args!("{disk:?} is no name for a disk"), "Use 1 to 63 characters."));
    }
    if wish.disk_type == DiskType::Block {
        return Err(ApiError::not_yet(Feature::BlockDisks, format_args!("disk {disk} of type block")));
    }
    let path = Path::new(&wish.path);
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        let message = format_args!("disk {disk}: {:?} is no absolute path without `..`", wish.path);
        return Err(invalid(message, "Give the directory where the disk is mounted, such as /mnt/ssd1."));
    }
    if node.spec.disks.get(disk).is_some_and(|before| before.path != wish.path) {
        let message = format_args!("the path of disk {disk} can't be changed: its replicas are there");
        return Err(invalid(message, "Add a disk with the new path under another name."));
    }
    let maximum = node.status.disk_status.get(disk).map(|status| status.storage_maximum).unwrap_or_default();
    if maximum > ByteSize::ZERO && wish.storage_reserved > maximum {
        let message = format_args!("disk {disk} has {maximum}, so {} can't be reserved on it", wish.storage_reserved);
        return Err(invalid(message, format_args!("Give storageReserved at most {} bytes.", maximum.bytes())));
    }
    Ok(DiskSpec {
        kind: wish.disk_type,
        disk_driver: wish.disk_driver.clone(),
        path: wish.path.clone(),
        allow_scheduling: wish.allow_scheduling,
        eviction_requested: wish.eviction_requested,
        storage_reserved: wish.storage_reserved,
        tags: update::tags(&wish.tags)?,
    })
}

fn check_paths(disks: &BTreeMap<String, DiskSpec>) -> Result<(), ApiError> {
    let mut seen = BTreeMap::new();
    for (name, disk) in disks {
        let path = disk.path.trim_end_matches('/');
        if let Some(other) = seen.insert(path, name) {
            let message = format_args!("disks {other} and {name} have the same path {path}");
            return Err(invalid(message, "Give each disk its own directory, on its own file system."));
        }
    }
    Ok(())
}

/// A disk goes only when no replica is on it and none can come.
fn check_removed(node: &Object<Node>, disks: &BTreeMap<String, DiskSpec>) -> Result<(), ApiError> {
    for (name, before) in node.spec.disks.iter().filter(|(name, _)| !disks.contains_key(*name)) {
        let replicas = node.status.disk_status.get(name).map_or(0, |status| status.scheduled_replica.len());
        if before.allow_scheduling || replicas > 0 {
            let message =
                format_args!("disk {name} of {} can't be taken away: {replicas} replicas are on it", node.name());
            let next_step = "Switch its scheduling off and move its replicas first.";
            return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
        }
    }
    Ok(())
}
