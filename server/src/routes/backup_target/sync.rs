//! `backupTargetSync`: reads a target again.

use aurochs_api::backup_target::{BackupTarget as BackupTargetView, SyncBackupResource};
use aurochs_api::schema::Resource;

use super::request;
use crate::error::ApiError;
use crate::nouns::action::Target;
use crate::resources::BackupTarget;
use crate::routes::shown;
use crate::view::envelope::Links;
use crate::view::shown::resource;

/// Answers with the target; what is read shows a moment later, and `lastSyncedAt` when all of it was.
pub async fn handle(target: Target, input: SyncBackupResource) -> Result<Resource<BackupTargetView>, ApiError> {
    let (store, name) = (&target.app.store, target.name.as_str());
    let found = match input.sync_backup_target {
        true => request::target(store, name).await,
        false => store.get::<BackupTarget>(name).await,
    };
    let found = found.map_err(|error| shown::unknown::<BackupTarget>(error, name))?;
    Ok(resource(&found, Links::of(&target.url)))
}
