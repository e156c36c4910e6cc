//! `updateFreezeFilesystemForSnapshot`: whether the file system is frozen while a snapshot is taken.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateFreezeFilesystemForSnapshotInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(
    target: Target,
    input: UpdateFreezeFilesystemForSnapshotInput,
) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("freezeFilesystemForSnapshot", &input.freeze_filesystem_for_snapshot)?;
    action::change(&target, |volume| {
        volume.spec.freeze_filesystem_for_snapshot = wished;
        Ok(())
    })
    .await
}
