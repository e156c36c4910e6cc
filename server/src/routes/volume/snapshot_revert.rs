//! `snapshotRevert`: the volume holds again what it held when the snapshot was taken.

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::snapshot::SnapshotInput;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;

use super::action::{self, Target};
use super::engine::{self, RunningEngine};
use super::rules;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{Engine, Object};

/// 200 with an empty body, as Longhorn answers. Only without a device: a file system that is mounted would be torn.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<(), ApiError> {
    let (name, volume, store) = (input.name, &target.name, &target.app.store);
    rules::restored(&action::volume(&target).await?, "reverting")?;
    let engine = RunningEngine::of(&target).await?;
    let found = engine.snapshot(&name).await?;
    if name == VOLUME_HEAD || found.removed {
        let message = format_args!("volume {volume} can't be reverted to {name}: it is no snapshot that is kept");
        return Err(ApiError::new(ErrorKind::Invalid, message, "snapshotList tells the snapshots."));
    }
    if !engine.resource.spec.disable_frontend {
        let message =
            format_args!("volume {volume} is not in maintenance mode: its device is in use, so it can't be reverted");
        let next_step = "Unmount and detach it, attach it in maintenance mode (disableFrontend), then revert.";
        return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
    }
    let tried = format!("reverting volume {volume} to the snapshot {name}");
    let request = engine::request(SnapshotNameRequest { name: name.clone() });
    engine.client().snapshot_revert(request).await.map_err(|status| engine::refused(&tried, &status))?;
    let on_top =
        |engine: &Object<Engine>| engine.status.snapshots.get(VOLUME_HEAD).is_some_and(|head| head.parent == name);
    engine.wait_for(store, on_top).await;
    tracing::info!(volume, snapshot = name, "reverted");
    Ok(())
}
