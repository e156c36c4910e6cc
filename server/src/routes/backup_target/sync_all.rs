//! `PUT /v1/backuptargets`: reads all targets again.

use aurochs_api::backup_target::SyncBackupResource;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::resources::BackupTarget;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// Targets without an address have nothing to read. Answers with all targets.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Body(input): Body<SyncBackupResource>,
) -> Result<shown::List<BackupTarget>, ApiError> {
    let targets = store.list::<BackupTarget>().await?;
    if input.sync_all_backup_targets && targets.iter().any(|target| !target.spec.backup_target_url.is_empty()) {
        return Err(ApiError::not_yet(Feature::Backups, "reading all backup targets again"));
    }
    shown::all::<BackupTarget>(&store, &url).await.map(Json)
}
