//! `updateBackupTargetName`: where backups of the volume go.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateBackupTargetInput;

use super::action::{self, Target};
use super::backup_target;
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateBackupTargetInput) -> Result<Resource<Volume>, ApiError> {
    let name = input.backup_target_name;
    if name.is_empty() {
        return Err(action::missing("backupTargetName", "the names that GET /v1/backuptargets lists"));
    }
    backup_target::check(&target.app.store, &name).await?;
    action::change(&target, |volume| {
        volume.spec.backup_target_name.clone_from(&name);
        Ok(())
    })
    .await
}
