//! `PUT /v1/backuptargets`: reads all targets again.

use aurochs_api::backup_target::SyncBackupResource;
use axum::Json;
use axum::extract::State;

use super::request;
use crate::error::ApiError;
use crate::resources::BackupTarget;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// Answers with all targets.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Body(input): Body<SyncBackupResource>,
) -> Result<shown::List<BackupTarget>, ApiError> {
    if input.sync_all_backup_targets {
        for target in store.list::<BackupTarget>().await? {
            request::target(&store, target.name()).await?;
        }
    }
    shown::all::<BackupTarget>(&store, &url).await.map(Json)
}
