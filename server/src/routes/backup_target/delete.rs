//! `DELETE /v1/backuptargets/{name}`

use aurochs_api::backup_target::DEFAULT;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::resources::BackupTarget;
use crate::routes::shown;
use crate::store::Store;

/// The default one never goes.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    if name == DEFAULT {
        let message = format_args!("backup target {name} is not deleted: volumes count on its being there");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Give it an empty backupTargetURL instead."));
    }
    shown::delete_later::<BackupTarget>(Feature::Backups, store, name).await
}
