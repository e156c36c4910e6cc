//! `DELETE /v1/backupbackingimages/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::resources::BackupBackingImage;
use crate::routes::shown;
use crate::store::Store;

/// Not yet.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    shown::delete_later::<BackupBackingImage>(Feature::BackingImages, store, name).await
}
