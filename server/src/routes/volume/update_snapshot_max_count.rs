//! `updateSnapshotMaxCount`: how many snapshots the volume may have.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateSnapshotMaxCountInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume. Snapshots that are more than that stay; there are no new ones.
pub async fn handle(target: Target, input: UpdateSnapshotMaxCountInput) -> Result<Resource<Volume>, ApiError> {
    let count =
        input.snapshot_max_count.ok_or_else(|| action::missing("snapshotMaxCount", "the numbers from 2 to 250"))?;
    rules::snapshot_max_count(count)?;
    action::change(&target, |volume| {
        volume.spec.snapshot_max_count = count;
        Ok(())
    })
    .await
}
