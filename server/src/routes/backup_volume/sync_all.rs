//! `PUT /v1/backupvolumes`: reads the backups of all volumes again.

use aurochs_api::backup_target::SyncBackupResource;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::{BackupTarget, BackupVolume};
use crate::routes::backup_target::request;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// The targets are read, which finds new volumes too. Answers with all backup volumes.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Body(input): Body<SyncBackupResource>,
) -> Result<shown::List<BackupVolume>, ApiError> {
    if input.sync_all_backup_volumes {
        for target in store.list::<BackupTarget>().await? {
            request::target(&store, target.name()).await?;
        }
    }
    shown::all::<BackupVolume>(&store, &url).await.map(Json)
}
