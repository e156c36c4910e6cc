//! `DELETE /v1/backupvolumes/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::auth::User;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::{BackupVolume, Object, Volume};
use crate::routes::shown;
use crate::store::Store;

/// All backups of the volume are removed from their target. It goes when they have gone.
pub async fn handle(
    State(store): State<Store>,
    State(jobs): State<Jobs>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let found = store.get::<BackupVolume>(&name).await;
    let found = found.map_err(|error| shown::unknown::<BackupVolume>(error, &name))?;
    let is_needed_by = |volume: &&Object<Volume>| {
        let status = &volume.status;
        let is_filled = volume.spec.standby || status.is_standby || status.restore_required || status.is_partly_remote;
        let follows = volume
            .spec
            .from_backup
            .split(['?', '&'])
            .any(|part| part.strip_prefix("volume=").is_some_and(|of| of == found.spec.volume_name));
        is_filled && follows && volume.spec.backup_target_name == found.spec.backup_target_name
    };
    let volumes = store.list::<Volume>().await?;
    if let Some(volume) = volumes.iter().find(is_needed_by) {
        let message = format_args!("backup volume {name} is not deleted: volume {} is filled from it", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Activate that volume, or delete it, first."));
    }
    jobs.expect(keys::backup_volume_deletion(&name), StartedBy::User(user.name));
    shown::delete::<BackupVolume>(State(store), Path(name)).await
}
