//! `diskUpdate`: the disks of a node, all of them: a disk that is left out is taken away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurochs_api::node::{DiskUpdateInput, DiskWish, Node as NodeView};
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;

use super::update;
use crate::controllers::job::keys;
use crate::environment::disk_paths::{self, PathError};
use crate::environment::premises::{Place, Premises};
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::jobs::StartedBy;
use crate::nouns::action::Target;
use crate::resources::node::{DiskSpec, DiskType};
use crate::resources::{BackingImage, LABEL_NODE, Node, Object, Replica};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::node;

/// Answers with the node.
pub async fn handle(target: Target, input: DiskUpdateInput) -> Result<Resource<NodeView>, ApiError> {
    let (store, name) = (&target.app.store, target.name.as_str());
    let node = store.get::<Node>(name).await?;
    let disks = judged(store, &target.app.premises, &node, &input).await?;
    for (disk, _) in disks.iter().filter(|(_, disk)| disk.eviction_requested) {
        let by = StartedBy::User(target.user.clone());
        target.app.jobs.expect(keys::evacuation(name, Some(disk)), by);
    }
    let changed = replace(store, &node, &disks).await?;
    tracing::info!(node = name, disks = disks.len(), "disks changed");
    Ok(node::resource(&changed, Links::of(&target.url)))
}

/// The disks that a node gets by this wish, if it can have them.
pub(crate) async fn judged(
    store: &Store,
    premises: &Premises,
    node: &Object<Node>,
    input: &DiskUpdateInput,
) -> Result<BTreeMap<String, DiskSpec>, ApiError> {
    let paths = input.disks.iter().map(|(name, disk)| (name.as_str(), disk.path.as_str()));
    disk_paths::check(paths).map_err(refused)?;
    let mut disks = BTreeMap::new();
    for (disk, wish) in &input.disks {
        disks.insert(disk.clone(), checked(node, disk, wish)?);
    }
    check_premises(store, premises, node, &disks).await?;
    check_removed(store, node, &disks).await?;
    Ok(disks)
}

/// All disks at once, unless somebody changed them since they were judged: their disks must not be taken away by a list
/// that was made without them.
async fn replace(
    store: &Store,
    judged: &Object<Node>,
    disks: &BTreeMap<String, DiskSpec>,
) -> Result<Object<Node>, ApiError> {
    let mut overtaken = false;
    let change = |node: &mut Object<Node>| {
        overtaken = node.spec.disks != judged.spec.disks;
        if !overtaken {
            node.spec.disks.clone_from(disks);
        }
    };
    let changed = store.modify::<Node>(judged.name(), change).await?;
    if overtaken {
        let message = format_args!("somebody else has just changed the disks of {}", judged.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Look at the disks, then send them again."));
    }
    Ok(changed)
}

/// Where all nodes are on one machine, a new disk has to lie apart from all others.
async fn check_premises(
    store: &Store,
    premises: &Premises,
    node: &Object<Node>,
    disks: &BTreeMap<String, DiskSpec>,
) -> Result<(), ApiError> {
    let place = |node: &str, disk: &str, spec: &DiskSpec| Place {
        node: node.to_owned(),
        disk: disk.to_owned(),
        path: PathBuf::from(&spec.path),
    };
    let is_new = |name: &str| !node.spec.disks.contains_key(name);
    let of_this = |new: bool| disks.iter().filter(move |(name, _)| is_new(name) == new);
    let added: Vec<Place> = of_this(true).map(|(name, spec)| place(node.name(), name, spec)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let mut present: Vec<Place> = of_this(false).map(|(name, spec)| place(node.name(), name, spec)).collect();
    for other in store.list::<Node>().await?.iter().filter(|other| other.name() != node.name()) {
        present.extend(other.spec.disks.iter().map(|(name, spec)| place(other.name(), name, spec)));
    }
    let premises = premises.clone();
    let checked = tokio::task::spawn_blocking(move || premises.check(&added, &present)).await;
    checked.map_err(|error| ApiError::internal("looking where disks lie", error))?.map_err(refused)
}

fn refused(error: PathError) -> ApiError {
    invalid(&error, error.next_step())
}

fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

fn checked(node: &Object<Node>, disk: &str, wish: &DiskWish) -> Result<DiskSpec, ApiError> {
    if wish.disk_type == DiskType::Block {
        return Err(ApiError::not_yet(Feature::BlockDisks, format_args!("disk {disk} of type block")));
    }
    if !wish.disk_driver.is_empty() {
        let message = format_args!("disk {disk}: diskDriver {:?} is for block disks only", wish.disk_driver);
        return Err(invalid(message, "Leave diskDriver empty."));
    }
    if wish.eviction_requested && wish.allow_scheduling {
        let message =
            format_args!("need to disable scheduling on disk {disk} of node {} for disk eviction", node.name());
        let next_step = "Send allowScheduling false with it, or evictionRequested false to go on scheduling.";
        return Err(invalid(message, next_step));
    }
    if node.spec.disks.get(disk).is_some_and(|before| before.path != wish.path) {
        let message = format_args!("the path of disk {disk} can't be changed: its replicas are there");
        return Err(invalid(message, "Add a disk with the new path under another name."));
    }
    let maximum = node.status.disk_status.get(disk).map(|status| status.storage_maximum).unwrap_or_default();
    // What was read can be sent back, also when the disk has become smaller since: another one may share its file system.
    let is_known = node.spec.disks.get(disk).is_some_and(|before| before.storage_reserved == wish.storage_reserved);
    if !is_known && maximum > ByteSize::ZERO && wish.storage_reserved > maximum {
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

/// A disk goes only when no replica and no backing image is on it and none can come. The replicas themselves are counted: what a node tells of
/// its disks may be a moment old.
async fn check_removed(store: &Store, node: &Object<Node>, disks: &BTreeMap<String, DiskSpec>) -> Result<(), ApiError> {
    let removed: Vec<_> = node.spec.disks.iter().filter(|(name, _)| !disks.contains_key(*name)).collect();
    if removed.is_empty() {
        return Ok(());
    }
    let replicas = store.list_labelled::<Replica>(LABEL_NODE, node.name()).await?;
    let images = store.list_shared::<BackingImage>().await?;
    for (name, before) in removed {
        let uuid = node.status.disk_status.get(name).map(|status| status.disk_uuid.as_str()).unwrap_or_default();
        let is_there = |replica: &&Object<Replica>| {
            replica.spec.disk_path == before.path || (!uuid.is_empty() && replica.spec.disk_id == uuid)
        };
        let image = images.iter().find(|image| {
            image.spec.disk_file_spec_map.contains_key(uuid) || image.status.disk_file_status_map.contains_key(uuid)
        });
        let (why, next_step) = match (replicas.iter().filter(is_there).count(), before.allow_scheduling) {
            (0, false) if image.is_some() => {
                let name = image.map(|image| image.name().to_owned()).unwrap_or_default();
                let next_step = "Evict the disk, or take the copy away with backingImageCleanup.";
                (format!("a copy of backing image {name} is on it"), next_step)
            }
            (0, false) => continue,
            (0, true) => ("its scheduling is switched on".to_owned(), "Switch its scheduling off first."),
            (1, _) => ("1 replica is on it".to_owned(), "Switch its scheduling off and evict its replica first."),
            (count, _) => {
                (format!("{count} replicas are on it"), "Switch its scheduling off and evict its replicas first.")
            }
        };
        let message = format_args!("disk {name} of {} can't be taken away: {why}", node.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources::node::NodeSpec;
    use crate::store::sqlite::Sqlite;

    /// Two people add a disk at the same time: neither takes the other's away.
    #[tokio::test]
    async fn disks_that_were_changed_since_they_were_judged_stay() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap()));
        let judged = store.create(&Object::<Node>::new("node-1", NodeSpec::default())).await.unwrap();
        let disks = |name: &str| BTreeMap::from([(name.to_owned(), DiskSpec::default())]);
        assert_eq!(replace(&store, &judged, &disks("one")).await.unwrap().spec.disks, disks("one"));
        assert_eq!(replace(&store, &judged, &disks("two")).await.unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(store.get::<Node>("node-1").await.unwrap().spec.disks, disks("one"));
    }
}
