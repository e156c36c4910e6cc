//! `snapshotCRCreate`, `snapshotCRGet`, `snapshotCRList`, `snapshotCRDelete`: a volume's snapshots as resources, attached or
//! not. What is asked for here is done by the snapshot controller.

use std::collections::BTreeMap;

use aurochs_api::action::NoInput;
use aurochs_api::ids::{VOLUME_HEAD, check_snapshot_name};
use aurochs_api::schema::{Collection, Empty, Resource};
use aurochs_api::snapshot::{Snapshot as Layer, SnapshotCr, SnapshotCrInput};

use super::action::{self, Target, invalid};
use super::engine::RunningEngine;
use super::{rules, snapshot_labels};
use crate::app::App;
use crate::controllers::snapshot::{owns, resource_for_layer};
use crate::error::{ApiError, ErrorKind};
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::{Engine, LABEL_VOLUME, Object, Snapshot, Volume};
use crate::store::StoreError;
use crate::view::envelope::{self, Links};
use crate::view::snapshot;

/// Answers with the resource, which asks for the snapshot; it is `readyToUse` when it has been taken. Without a name it gets
/// a UUID.
pub async fn create(target: Target, input: SnapshotCrInput) -> Result<Resource<SnapshotCr>, ApiError> {
    let store = &target.app.store;
    let name = if input.name.is_empty() { uuid::Uuid::new_v4().to_string() } else { input.name };
    check_snapshot_name(&name).map_err(|error| invalid(error, "Choose another name."))?;
    snapshot_labels::check(&input.labels)?;
    let volume = action::volume(&target).await?;
    check_room(&target, &volume).await?;
    let spec = SnapshotSpec { volume: target.name.clone(), create_snapshot: true, labels: input.labels };
    let made = store.create(&Object::<Snapshot>::new(name, spec).owned_by_volume(&volume)).await?;
    tracing::info!(volume = target.name, snapshot = made.name(), "snapshot asked for");
    Ok(snapshot::custom_resource(&made, Links::of(&target.url)))
}

/// As many snapshots as a volume may have may be asked for; more would wait for ever.
async fn check_room(target: &Target, volume: &Object<Volume>) -> Result<(), ApiError> {
    let known = target.app.store.list_labelled::<Snapshot>(LABEL_VOLUME, &target.name).await?;
    let here = known.iter().filter(|snapshot| !snapshot.status.mark_removed && !snapshot.is_deleting()).count();
    let most = usize::try_from(volume.spec.snapshot_max_count).unwrap_or(usize::MAX);
    if most == 0 || here < most {
        return Ok(());
    }
    let message = format_args!("volume {} has {here} snapshots and may have {most}", target.name);
    Err(ApiError::new(ErrorKind::Conflict, message, "Delete one, or raise snapshotMaxCount."))
}

/// Answers with the resource of that name.
pub async fn get(target: Target, input: SnapshotCrInput) -> Result<Resource<SnapshotCr>, ApiError> {
    action::volume(&target).await?;
    let found = target.app.store.find::<Snapshot>(&input.name).await?;
    let found = found.filter(|snapshot| snapshot.spec.volume == target.name).ok_or_else(|| {
        let message = format_args!("volume {} has no snapshot resource named {:?}", target.name, input.name);
        ApiError::new(ErrorKind::NotFound, message, "snapshotCRList tells their names.")
    })?;
    Ok(snapshot::custom_resource(&found, Links::of(&target.url)))
}

/// Answers with all of the volume's, by name.
pub async fn list(target: Target, _: NoInput) -> Result<Collection<Resource<SnapshotCr>>, ApiError> {
    action::volume(&target).await?;
    let known = target.app.store.list_labelled::<Snapshot>(LABEL_VOLUME, &target.name).await?;
    let links = Links::of(&target.url);
    let rows = known.iter().map(|one| snapshot::custom_resource(one, links)).collect();
    Ok(envelope::collection("snapshotCR", &target.url, rows))
}

/// The resource goes when its snapshot has gone. What is not there is fine, too: neither a resource nor, where the engine
/// took it without one a moment ago, a layer.
pub async fn delete(target: Target, input: SnapshotCrInput) -> Result<Resource<Empty>, ApiError> {
    let volume = action::volume(&target).await?;
    // What a restore goes on from is a layer, too.
    rules::restored(&volume, "deleting a snapshot of")?;
    let store = &target.app.store;
    let found = match store.find::<Snapshot>(&input.name).await? {
        Some(found) => Some(found),
        None => make_for_layer(&target.app, &volume, &input.name).await?,
    };
    if let Some(found) = found {
        if found.spec.volume != target.name {
            let message = format_args!(
                "snapshot {:?} is one of volume {}, not of {}",
                input.name, found.spec.volume, target.name
            );
            return Err(invalid(message, "Call the action on the snapshot's own volume."));
        }
        match store.delete::<Snapshot>(&input.name).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => tracing::info!(volume = target.name, snapshot = input.name, "deletion of a snapshot asked for"),
        }
    }
    Ok(Links::of(&target.url).resource("empty", "", &[], Empty {}))
}

/// The controller makes a resource for every layer, a moment after it was taken. Who asks for the deletion before is not
/// told that all is well while the snapshot stays: the resource is made here.
async fn make_for_layer(app: &App, volume: &Object<Volume>, name: &str) -> Result<Option<Object<Snapshot>>, ApiError> {
    let store = &app.store;
    let is_live = |layer: &Layer| !layer.removed && layer.name != VOLUME_HEAD;
    let Some(layer) = layers(app, volume.name()).await?.remove(name).filter(is_live) else { return Ok(None) };
    let known = store.list_labelled::<Snapshot>(LABEL_VOLUME, volume.name()).await?;
    if known.iter().any(|snapshot| owns(snapshot, &layer)) {
        // It has another name, since this one is, or was, somebody else's.
        return Ok(None);
    }
    match store.create(&resource_for_layer(volume, &layer, name)).await {
        Ok(made) => Ok(Some(made)),
        Err(StoreError::AlreadyExists { .. }) => Ok(store.find(name).await?),
        Err(error) => Err(error.into()),
    }
}

/// As the engine has them now, or told them before it ended.
async fn layers(app: &App, volume: &str) -> Result<BTreeMap<String, Layer>, ApiError> {
    if let Some(engine) = RunningEngine::find(app, volume).await? {
        return engine.snapshots().await;
    }
    let engines = app.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
    Ok(engines.into_iter().next().map(|engine| engine.status.snapshots).unwrap_or_default())
}
