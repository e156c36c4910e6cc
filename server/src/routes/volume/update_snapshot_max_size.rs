//! `updateSnapshotMaxSize`: how much all snapshots of the volume may hold together.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateSnapshotMaxSizeInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateSnapshotMaxSizeInput) -> Result<Resource<Volume>, ApiError> {
    let maximum = rules::size("snapshotMaxSize", &input.snapshot_max_size)?
        .ok_or_else(|| action::missing("snapshotMaxSize", "0 for no limit, or at least twice the volume's size"))?;
    action::change(&target, |volume| {
        rules::snapshot_max_size(maximum, volume.spec.size)?;
        volume.spec.snapshot_max_size = maximum;
        Ok(())
    })
    .await
}
