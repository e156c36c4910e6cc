//! `snapshotList`: all layers of the volume, `volume-head` among them.

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::snapshot::Snapshot;
use axum::Json;

use super::action::Target;
use super::engine::RunningEngine;
use crate::error::ApiError;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::{snapshot, volume};

/// Answers with the head and the snapshots below it, newest first.
pub async fn handle(store: &Store, target: &Target) -> Result<Json<Collection<Resource<Snapshot>>>, ApiError> {
    let engine = RunningEngine::of(store, target).await?;
    let links = Links::of(&target.url);
    let list = volume::snapshots(&engine.resource).into_iter().map(|found| snapshot::resource(found, links)).collect();
    Ok(Json(envelope::collection("snapshot", &target.url, list)))
}
