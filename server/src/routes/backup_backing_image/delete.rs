//! `DELETE /v1/backupbackingimages/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};
use crate::resources::backing_image::{FileState, SourceType};
use crate::resources::{BackingImage, BackupBackingImage};
use crate::routes::shown;
use crate::store::Store;

/// It is removed from its target, and goes when that is done. Refused while an image is restored from it.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let found = store.get::<BackupBackingImage>(&name).await;
    let found = found.map_err(|error| shown::unknown::<BackupBackingImage>(error, &name))?;
    let image = store.find::<BackingImage>(&found.spec.backing_image).await?.filter(|image| {
        let is_there = image.status.disk_file_status_map.values().any(|copy| copy.state == FileState::Ready);
        image.spec.source_type == SourceType::Restore && !is_there && !image.is_deleting()
    });
    if let Some(image) = image {
        let message = format_args!("backup {name} is not deleted: backing image {} is restored from it", image.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until that image is ready, or delete it."));
    }
    shown::delete::<BackupBackingImage>(State(store), Path(name)).await
}
