//! `snapshotDelete`: gives up a snapshot; what stands on it keeps its content.

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::SnapshotInput;
use aurochs_api::volume::Volume;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;

use super::action::{self, Target};
use super::engine::{self, RunningEngine};
use crate::error::{ApiError, ErrorKind};

/// Answers with the volume. The snapshot is marked removed at once; its files go when nothing needs them.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<Resource<Volume>, ApiError> {
    let (name, volume, store) = (input.name, &target.name, &target.app.store);
    if name == VOLUME_HEAD {
        let message = format_args!("volume-head of {volume} is what is being written, no snapshot");
        return Err(ApiError::new(ErrorKind::Invalid, message, "Name a snapshot below it."));
    }
    let engine = RunningEngine::of(store, &target).await?;
    engine.snapshot(&name).await?;
    let tried = format!("deleting the snapshot {name} of volume {volume}");
    let request = engine::request(SnapshotNameRequest { name: name.clone() });
    engine.client().snapshot_delete(request).await.map_err(|status| engine::refused(&tried, &status))?;
    let gone = |snapshot: Option<&aurochs_api::snapshot::Snapshot>| snapshot.is_none_or(|snapshot| snapshot.removed);
    engine.wait_for(store, |engine| gone(engine.status.snapshots.get(&name))).await;
    tracing::info!(volume, snapshot = name, "snapshot deleted");
    action::answer(&target).await
}
