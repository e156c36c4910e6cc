//! `updateBackupCompressionMethod`: how backups of the volume are compressed.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateBackupCompressionInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateBackupCompressionInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("backupCompressionMethod", &input.backup_compression_method)?;
    action::change(&target, |volume| {
        volume.spec.backup_compression_method = wished;
        Ok(())
    })
    .await
}
