//! `snapshotDelete`: gives up a snapshot; what stands on it keeps its content.

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot, SnapshotInput};
use aurochs_api::volume::Volume;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;

use super::action::{self, Target};
use super::engine::{self, RunningEngine};
use super::rules;
use crate::controllers::snapshot::owns;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{LABEL_VOLUME, Snapshot as Kind};
use crate::store::Store;

/// Answers with the volume. The snapshot is marked removed at once; its files go when nothing needs them, and its resource
/// with them.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<Resource<Volume>, ApiError> {
    let (name, volume, store) = (input.name, &target.name, &target.app.store);
    if name == VOLUME_HEAD {
        let message = format_args!("volume-head of {volume} is what is being written, no snapshot");
        return Err(ApiError::new(ErrorKind::Invalid, message, "Name a snapshot below it."));
    }
    // What a restore goes on from is a layer, too.
    rules::restored(&action::volume(&target).await?, "deleting a snapshot of")?;
    let engine = RunningEngine::of(&target).await?;
    let layer = engine.snapshot(&name).await?;
    let tried = format!("deleting the snapshot {name} of volume {volume}");
    let request = engine::request(SnapshotNameRequest { name: name.clone() });
    engine.client().snapshot_delete(request).await.map_err(|status| engine::refused(&tried, &status))?;
    let gone = |snapshot: Option<&Snapshot>| snapshot.is_none_or(|snapshot| snapshot.removed);
    engine.wait_for(store, |engine| gone(engine.status.snapshots.get(&name))).await;
    delete_resource(store, volume, &layer).await?;
    tracing::info!(volume, snapshot = name, "snapshot deleted");
    action::answer(&target).await
}

/// The wish that the snapshot goes is a wish that its resource goes: it must not be mourned when it is gone.
async fn delete_resource(store: &Store, volume: &str, layer: &Snapshot) -> Result<(), ApiError> {
    for snapshot in store.list_labelled::<Kind>(LABEL_VOLUME, volume).await? {
        if owns(&snapshot, layer) && !snapshot.is_deleting() {
            match store.delete::<Kind>(snapshot.name()).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}
