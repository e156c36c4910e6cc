//! `PUT /v1/backupvolumes`: reads the targets again.

use aurochs_api::backup_target::SyncBackupResource;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::BackupVolume;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// There is no target with anything in it, so there is nothing to read. Answers with all backup volumes.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Body(_): Body<SyncBackupResource>,
) -> Result<shown::List<BackupVolume>, ApiError> {
    shown::all::<BackupVolume>(&store, &url).await.map(Json)
}
