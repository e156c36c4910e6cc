//! `PUT /v1/backupvolumes/{name}`, which Longhorn tells of and does not serve: reads the volume's backups again.

use aurochs_api::backup_target::SyncBackupResource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::BackupVolume;
use crate::routes::backup_target::request;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the backup volume.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(_): Body<SyncBackupResource>,
) -> Result<shown::One<BackupVolume>, ApiError> {
    let found = request::volume(&store, &name).await.map_err(|error| shown::unknown::<BackupVolume>(error, &name))?;
    Ok(Json(resource(&found, Links::of(&url))))
}
