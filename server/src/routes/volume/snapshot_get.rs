//! `snapshotGet`: one snapshot.

use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot, SnapshotInput};
use axum::Json;

use super::action::Target;
use super::engine::RunningEngine;
use crate::error::ApiError;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::snapshot;

/// Answers with the snapshot of that name.
pub async fn handle(
    store: &Store,
    target: &Target,
    input: SnapshotInput,
) -> Result<Json<Resource<Snapshot>>, ApiError> {
    let engine = RunningEngine::of(store, target).await?;
    let found = engine.snapshot(&input.name).await?;
    Ok(Json(snapshot::resource(found, Links::of(&target.url))))
}
