//! `snapshotList`: all layers of the volume, `volume-head` among them.

use aurochs_api::action::NoInput;
use aurochs_api::schema::{Collection, Resource};
use aurochs_api::snapshot::Snapshot;

use super::action::Target;
use super::engine::RunningEngine;
use crate::error::ApiError;
use crate::resources::{LABEL_VOLUME, Snapshot as Kind};
use crate::view::envelope::{self, Links};
use crate::view::snapshot::{self, Checksums};
use crate::view::volume;

/// Answers with the head and the snapshots below it, newest first.
pub async fn handle(target: Target, _: NoInput) -> Result<Collection<Resource<Snapshot>>, ApiError> {
    let store = &target.app.store;
    let engine = RunningEngine::of(&target).await?;
    let known = store.list_labelled::<Kind>(LABEL_VOLUME, &target.name).await?;
    let (checksums, links) = (Checksums::of(&known), Links::of(&target.url));
    let layers = volume::snapshots(&engine.snapshots().await?).into_iter();
    let list = layers.map(|found| snapshot::resource(found, &checksums, links)).collect();
    Ok(envelope::collection("snapshot", &target.url, list))
}
