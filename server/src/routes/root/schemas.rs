//! `GET /v1/schemas` and `/v1/schemas/{id}`: what clients learn the API from.

use aurochs_api::schema::Collection;
use axum::Json;
use axum::extract::Path;

use crate::error::ApiError;
use crate::view::envelope;
use crate::view::schemas::{self, Schema};
use crate::web::request_url::RequestUrl;

/// All types.
pub async fn list(url: RequestUrl) -> Json<Collection<Schema>> {
    let data = schemas::TYPES.iter().map(|row| row.schema(url.base())).collect();
    Json(envelope::collection("schema", &url, data))
}

/// One type; its name in any case.
pub async fn get(url: RequestUrl, Path(id): Path<String>) -> Result<Json<Schema>, ApiError> {
    let row = schemas::TYPES.iter().find(|row| row.id.eq_ignore_ascii_case(&id));
    row.map(|row| Json(row.schema(url.base()))).ok_or_else(|| ApiError::not_found("schema", &id))
}
