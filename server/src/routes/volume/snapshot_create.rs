//! `snapshotCreate`: freezes what the volume holds now.

use aurochs_api::ids::check_snapshot_name;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot, SnapshotInput};
use aurochs_engine::grpc::engine_v1::SnapshotCreateRequest;

use super::action::{self, Target, invalid};
use super::engine::{self, RunningEngine};
use super::{rules, snapshot_labels};
use crate::controllers::snapshot::create::freezes;
use crate::error::{ApiError, ErrorKind};
use crate::view::envelope::Links;
use crate::view::snapshot::{self, Checksums};

/// Answers with the snapshot, when every replica has it. Without a name it gets a UUID.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<Resource<Snapshot>, ApiError> {
    let store = &target.app.store;
    let name = if input.name.is_empty() { uuid::Uuid::new_v4().to_string() } else { input.name };
    check_snapshot_name(&name).map_err(|error| invalid(error, "Choose another name."))?;
    let labels = input.labels.unwrap_or_default();
    snapshot_labels::check(&labels)?;
    let volume = action::volume(&target).await?;
    rules::filled(&volume, "taking a snapshot of")?;
    let engine = RunningEngine::of(&target).await?;
    if engine.resource.status.snapshots.contains_key(&name) {
        let message = format_args!("volume {} has a snapshot named {name:?} already", target.name);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Choose another name."));
    }
    let request = engine::request(SnapshotCreateRequest {
        name: name.clone(),
        labels: labels.into_iter().collect(),
        user_created: true,
        freeze_filesystem: freezes(&target.app.settings, &volume),
    });
    let tried = format!("taking the snapshot {name} of volume {}", target.name);
    let taken = engine.client().snapshot_create(request).await.map_err(|status| engine::refused(&tried, &status))?;
    engine.wait_for(store, |engine| engine.status.snapshots.contains_key(&name)).await;
    tracing::info!(volume = target.name, snapshot = name, "snapshot taken");
    Ok(snapshot::resource(engine::to_api(taken.into_inner()), &Checksums::default(), Links::of(&target.url)))
}
