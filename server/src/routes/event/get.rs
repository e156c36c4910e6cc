//! `GET /v1/events/{name}`

use axum::extract::Path;

use crate::error::ApiError;

/// None is kept.
pub async fn handle(Path(name): Path<String>) -> ApiError {
    ApiError::not_found("event", &name)
}
