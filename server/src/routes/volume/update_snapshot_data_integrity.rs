//! `updateSnapshotDataIntegrity`: whether the content of snapshots is hashed.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateSnapshotDataIntegrityInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateSnapshotDataIntegrityInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("snapshotDataIntegrity", &input.snapshot_data_integrity)?;
    action::change(&target, |volume| {
        volume.spec.snapshot_data_integrity = wished;
        Ok(())
    })
    .await
}
