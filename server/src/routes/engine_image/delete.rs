//! `DELETE /v1/engineimages/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::controllers::engine_image::default_image;
use crate::error::{ApiError, ErrorKind};
use crate::resources::EngineImage;
use crate::routes::shown;
use crate::store::Store;

/// The installed engine can't be taken away from those who run it; one of an earlier version goes when nobody has it.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let image = store.get::<EngineImage>(&name).await.map_err(|error| shown::unknown::<EngineImage>(error, &name))?;
    if image.spec.image == default_image() {
        let message = format_args!("engine image {name} is not deleted: it is the default one");
        return Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Leave it; another version comes with another installation.",
        ));
    }
    if image.status.ref_count > 0 {
        let message = format_args!("engine image {name} is not deleted: {} things use it", image.status.ref_count);
        return Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Detach the volumes that have it, and attach them again.",
        ));
    }
    store.delete::<EngineImage>(&name).await?;
    tracing::info!(image = name, "asked to delete");
    Ok(StatusCode::OK)
}
