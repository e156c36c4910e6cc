//! `PUT /v1/backupvolumes/{name}`, which Longhorn tells of and does not serve.

use aurochs_api::backup_target::SyncBackupResource;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::feature::Feature;
use crate::resources::BackupVolume;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;

/// Not yet.
pub async fn handle(
    State(store): State<Store>,
    Path(name): Path<String>,
    Body(_): Body<SyncBackupResource>,
) -> ApiError {
    match store.get::<BackupVolume>(&name).await {
        Ok(_) => ApiError::not_yet(Feature::Backups, format_args!("reading backup volume {name} again")),
        Err(error) => shown::unknown::<BackupVolume>(error, &name),
    }
}
