//! Snapshot resources show what the engine has.
//!
//! One comparison of all layers with all resources of a volume says what differs; only that is written.
//!
//! Invariants:
//! - A resource that asks for a snapshot which has not been taken is never removed here.
//! - A snapshot that somebody asked for and nobody gave up is not forgotten when its layer is gone: its resource says so.

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::snapshot::Snapshot as Layer;

use super::super::{Context, Error};
use super::delete;
use super::names::{self, Layers};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::snapshot::{ANNOTATION_LAYER, SnapshotSpec, SnapshotStatus, visible_labels};
use crate::resources::{Object, Snapshot, Volume};
use crate::store::StoreError;

/// What the comparison is made from.
pub(super) struct Seen<'a> {
    pub volume: &'a Object<Volume>,
    pub owner: &'a str,
    pub layers: &'a Layers,
    pub known: &'a [Object<Snapshot>],
    pub purge_disabled: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// The engine has a layer that no resource stands for.
    Make {
        layer: String,
    },
    Tell {
        name: String,
        status: Box<SnapshotStatus>,
    },
    /// The resource goes: its layer is gone.
    Forget {
        name: String,
    },
}

pub(super) const LOST: &str = "the snapshot is gone: the volume's engine does not have it any more. Its data can't be \
                               had back from this volume; restore a backup, or delete this resource";
pub(super) const IMAGE_MISSING: &str = "the snapshot's file is missing on the replicas: put it back and detach and attach the \
                                        volume, or delete the snapshot";

pub(super) fn plan(seen: &Seen<'_>) -> Vec<Change> {
    let mut changes: Vec<Change> = seen.known.iter().filter_map(|snapshot| change_of(seen, snapshot)).collect();
    for layer in seen.layers.values().filter(|layer| layer.name != VOLUME_HEAD) {
        if !seen.known.iter().any(|snapshot| names::owns(snapshot, layer)) {
            changes.push(Change::Make { layer: layer.name.clone() });
        }
    }
    changes
}

fn change_of(seen: &Seen<'_>, snapshot: &Object<Snapshot>) -> Option<Change> {
    let name = snapshot.name().to_owned();
    let layer = seen.layers.get(names::layer_name(snapshot)).filter(|layer| names::owns(snapshot, layer));
    let status = match layer {
        Some(layer) => told(seen, snapshot, layer),
        None if snapshot.is_deleting() => return Some(Change::Forget { name }),
        None if snapshot.spec.create_snapshot && !names::was_taken(snapshot) => return None,
        None if snapshot.status.mark_removed || !is_missed(snapshot) => return Some(Change::Forget { name }),
        None => SnapshotStatus { ready_to_use: false, error: LOST.to_owned(), ..snapshot.status.clone() },
    };
    (status != snapshot.status).then(|| Change::Tell { name, status: Box::new(status) })
}

/// What the layers that an engine told last say of resources that have no status: a manager that died between the two writes
/// left them so. Nothing else follows while no engine runs: what one told that ended may be old, so that a layer without a
/// resource may be gone, and one that is missing may be there.
pub(super) fn unfilled(seen: &Seen<'_>) -> Vec<Change> {
    let empty = seen.known.iter().filter(|snapshot| !names::was_taken(snapshot));
    let changes = empty.filter_map(|snapshot| change_of(seen, snapshot));
    changes.filter(|change| matches!(change, Change::Tell { .. })).collect()
}

/// Nobody misses what a rebuild or an expansion left: a purge takes it without asking.
fn is_missed(snapshot: &Object<Snapshot>) -> bool {
    snapshot.spec.create_snapshot || snapshot.status.user_created
}

fn told(seen: &Seen<'_>, snapshot: &Object<Snapshot>, layer: &Layer) -> SnapshotStatus {
    let before = &snapshot.status;
    // What lay below was merged into its file, so that the checksum is of something else.
    let is_same_file = before.parent == layer.parent;
    let kept = |text: &String| if is_same_file { text.clone() } else { String::new() };
    let mut status = SnapshotStatus {
        owner_id: seen.owner.to_owned(),
        parent: layer.parent.clone(),
        children: layer.children.clone(),
        mark_removed: layer.removed,
        user_created: layer.usercreated,
        ready_to_use: !layer.removed && !layer.image_missing,
        creation_time: layer.created.clone(),
        size: layer.size,
        restore_size: seen.volume.spec.size,
        labels: visible_labels(layer.labels.as_ref()),
        checksum: kept(&before.checksum),
        checksum_calculated_at: kept(&before.checksum_calculated_at),
        requested_time: before.requested_time.clone(),
        error: String::new(),
    };
    if layer.image_missing {
        IMAGE_MISSING.clone_into(&mut status.error);
    } else if let Some(stays) = delete::why_it_stays(snapshot, &status, seen.purge_disabled) {
        stays.clone_into(&mut status.error);
    }
    status
}

/// Carries the changes out, in the store and in `known`.
pub(super) async fn apply(
    context: &Context,
    volume: &Object<Volume>,
    layers: &Layers,
    known: &mut Vec<Object<Snapshot>>,
) -> Result<(), Error> {
    let purge_disabled = super::purge::is_disabled(context);
    for change in plan(&Seen { volume, owner: &context.owner, layers, known, purge_disabled }) {
        match change {
            Change::Make { layer } => {
                let Some(layer) = layers.get(&layer) else { continue };
                known.extend(make(context, volume, layer).await?);
            }
            Change::Tell { name, status } => {
                let Some(snapshot) = known.iter_mut().find(|snapshot| snapshot.name() == name) else { continue };
                *snapshot = tell(context, snapshot, *status).await?;
            }
            Change::Forget { name } => {
                let Some(at) = known.iter().position(|snapshot| snapshot.name() == name) else { continue };
                forget(context, &known[at]).await?;
                known.remove(at);
            }
        }
    }
    // Those just made have a status, too.
    let fresh = plan(&Seen { volume, owner: &context.owner, layers, known, purge_disabled });
    tell_all(context, known, fresh).await
}

/// Gives a status to resources that have none, from what the engine told before it ended.
pub(super) async fn fill(
    context: &Context,
    volume: &Object<Volume>,
    layers: &Layers,
    known: &mut [Object<Snapshot>],
) -> Result<(), Error> {
    let purge_disabled = super::purge::is_disabled(context);
    let unfilled = unfilled(&Seen { volume, owner: &context.owner, layers, known, purge_disabled });
    tell_all(context, known, unfilled).await
}

async fn tell_all(context: &Context, known: &mut [Object<Snapshot>], changes: Vec<Change>) -> Result<(), Error> {
    for change in changes {
        if let Change::Tell { name, status } = change
            && let Some(snapshot) = known.iter_mut().find(|snapshot| snapshot.name() == name)
        {
            *snapshot = tell(context, snapshot, *status).await?;
        }
    }
    Ok(())
}

/// A resource for a layer that somebody else took: a person by way of the engine, a rebuild, an expansion.
async fn make(context: &Context, volume: &Object<Volume>, layer: &Layer) -> Result<Option<Object<Snapshot>>, Error> {
    for name in names::names_for(volume, &layer.name) {
        match context.store.create(&resource_for_layer(volume, layer, &name)).await {
            Ok(made) => return Ok(Some(made)),
            // Another volume's, or one that asks for a snapshot of this name and can't have it.
            Err(StoreError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    tracing::warn!(volume = volume.name(), layer = layer.name, "no name is free for a resource of this snapshot");
    Ok(None)
}

/// What stands for a layer that no resource asked for, under this name.
#[must_use]
pub fn resource_for_layer(volume: &Object<Volume>, layer: &Layer, name: &str) -> Object<Snapshot> {
    let labels = visible_labels(layer.labels.as_ref());
    let spec = SnapshotSpec { volume: volume.name().to_owned(), create_snapshot: false, labels };
    let mut snapshot = Object::<Snapshot>::new(name, spec).owned_by_volume(volume);
    if name != layer.name {
        snapshot.metadata.annotations.insert(ANNOTATION_LAYER.to_owned(), layer.name.clone());
    }
    snapshot
}

async fn tell(
    context: &Context,
    snapshot: &Object<Snapshot>,
    status: SnapshotStatus,
) -> Result<Object<Snapshot>, Error> {
    let before = &snapshot.status;
    let (was_ready, had_error) = (before.ready_to_use, before.error.clone());
    let next = context.store.update_status(&Object { status, ..snapshot.clone() }).await?;
    let (about, emit) = (ObjectRef::from(&next), &context.events);
    match (was_ready, next.status.ready_to_use) {
        (false, true) => emit.emit(&about, Reason::Update, EventType::Normal, "the snapshot is ready to use"),
        (true, false) => emit.emit(&about, Reason::Update, EventType::Warning, "the snapshot can't be used any more"),
        _ => {}
    }
    if !next.status.error.is_empty() && next.status.error != had_error && !next.is_deleting() {
        emit.emit(&about, Reason::Failed, EventType::Warning, &next.status.error);
    }
    Ok(next)
}

/// The resource goes. Nothing is left to be cleaned up for it.
pub(super) async fn forget(context: &Context, snapshot: &Object<Snapshot>) -> Result<(), Error> {
    if !snapshot.is_deleting() {
        match context.store.delete::<Snapshot>(snapshot.name()).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    context.store.remove_finalizer::<Snapshot>(snapshot.name()).await?;
    Ok(())
}
