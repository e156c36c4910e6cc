//! `snapshotGet`: one snapshot.

use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot, SnapshotInput};

use super::action::Target;
use super::engine::RunningEngine;
use crate::error::ApiError;
use crate::resources::{LABEL_VOLUME, Snapshot as Kind};
use crate::view::envelope::Links;
use crate::view::snapshot::{self, Checksums};

/// Answers with the snapshot of that name.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<Resource<Snapshot>, ApiError> {
    let store = &target.app.store;
    let engine = RunningEngine::of(&target).await?;
    let found = engine.snapshot(&input.name).await?;
    let known = store.list_labelled::<Kind>(LABEL_VOLUME, &target.name).await?;
    Ok(snapshot::resource(found, &Checksums::of(&known), Links::of(&target.url)))
}
