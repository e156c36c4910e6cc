//! `snapshotList`: all layers of the volume, `volume-head` among them.

use aurochs_api::action::NoInput;
use aurochs_api::schema::{Collection, Resource};
use aurochs_api::snapshot::Snapshot;

use super::action::Target;
use super::engine::RunningEngine;
use crate::error::ApiError;
use crate::view::envelope::{self, Links};
use crate::view::{snapshot, volume};

/// Answers with the head and the snapshots below it, newest first.
pub async fn handle(target: Target, _: NoInput) -> Result<Collection<Resource<Snapshot>>, ApiError> {
    let engine = RunningEngine::of(&target.app.store, &target).await?;
    let links = Links::of(&target.url);
    let list = volume::snapshots(&engine.resource).into_iter().map(|found| snapshot::resource(found, links)).collect();
    Ok(envelope::collection("snapshot", &target.url, list))
}
