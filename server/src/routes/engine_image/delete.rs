//! `DELETE /v1/engineimages/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorKind};
use crate::resources::EngineImage;
use crate::routes::shown;
use crate::store::Store;

/// The installed engine can't be taken away from those who run it.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    store.get::<EngineImage>(&name).await.map_err(|error| shown::unknown::<EngineImage>(error, &name))?;
    let message = format_args!("engine image {name} is not deleted: it is the default one");
    Err(ApiError::new(ErrorKind::Conflict, message, "Leave it; another version comes with another installation."))
}
