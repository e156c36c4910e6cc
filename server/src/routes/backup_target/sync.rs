//! `backupTargetSync`: reads a target again.

use aurochs_api::backup_target::{BackupTarget as BackupTargetView, SyncBackupResource};
use aurochs_api::schema::Resource;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::nouns::action::Target;
use crate::resources::BackupTarget;
use crate::routes::shown;
use crate::view::envelope::Links;
use crate::view::shown::resource;

/// A target without an address has nothing to read. Answers with the target.
pub async fn handle(target: Target, input: SyncBackupResource) -> Result<Resource<BackupTargetView>, ApiError> {
    let name = target.name.as_str();
    let found = target.app.store.get::<BackupTarget>(name).await;
    let found = found.map_err(|error| shown::unknown::<BackupTarget>(error, name))?;
    if input.sync_backup_target && !found.spec.backup_target_url.is_empty() {
        return Err(ApiError::not_yet(Feature::Backups, format_args!("reading backup target {name} again")));
    }
    Ok(resource(&found, Links::of(&target.url)))
}
