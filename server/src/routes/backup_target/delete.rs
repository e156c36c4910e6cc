//! `DELETE /v1/backuptargets/{name}`

use aurochs_api::backup_target::DEFAULT;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::check::nobody_follows;
use crate::error::{ApiError, ErrorKind};
use crate::resources::BackupTarget;
use crate::routes::shown;
use crate::store::Store;

/// The default one never goes. What is in the store stays.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    check(&store, &name).await?;
    shown::delete::<BackupTarget>(State(store), Path(name)).await
}

/// Whether it may go.
pub(crate) async fn check(store: &Store, name: &str) -> Result<(), ApiError> {
    if name == DEFAULT {
        let message = format_args!("backup target {name} is not deleted: volumes count on its being there");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Give it an empty backupTargetURL instead."));
    }
    nobody_follows(store, name, "deleting").await
}
