//! `updateBackupTargetName`: where backups of the volume go.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateBackupTargetInput;

use super::action::{self, Target, invalid};
use super::backup_target;
use crate::error::ApiError;
use crate::resources::Volume as Kind;
use crate::resources::volume::{LABEL_BACKUP_TARGET, VolumeStatus};
use crate::routes::backup_target::request;

/// Answers with the volume. Its last backup is the one in the new target; that is read for it.
pub async fn handle(target: Target, input: UpdateBackupTargetInput) -> Result<Resource<Volume>, ApiError> {
    let (store, name) = (&target.app.store, input.backup_target_name);
    if name.is_empty() {
        return Err(action::missing("backupTargetName", "the names that GET /v1/backuptargets lists"));
    }
    backup_target::check(store, &name).await?;
    let before = action::volume(&target).await?.spec.backup_target_name;
    let answer = action::change(&target, |volume| {
        if volume.spec.standby && volume.spec.backup_target_name != name {
            let message = format_args!("standby volume {} follows what is in its backup target", volume.name());
            return Err(invalid(message, "Activate it, then choose another target."));
        }
        if !volume.is_restored() {
            let message = format_args!("volume {} is being filled from a backup", volume.name());
            return Err(invalid(message, "Wait until it is restored, then choose another target."));
        }
        volume.spec.backup_target_name.clone_from(&name);
        volume.metadata.labels.insert(LABEL_BACKUP_TARGET.to_owned(), name.clone());
        Ok(())
    })
    .await?;
    if before == name {
        return Ok(answer);
    }
    let forget = |status: &mut VolumeStatus| {
        status.last_backup.clear();
        status.last_backup_at.clear();
    };
    store.modify_status::<Kind>(&target.name, forget).await?;
    request::target(store, &name).await?;
    action::answer(&target).await
}
