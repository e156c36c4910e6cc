//! `GET /v1/schemas` and `/v1/schemas/{id}`: what clients learn the API from.

use aurochs_api::schema::Collection;
use axum::Json;
use axum::extract::Path;

use crate::error::ApiError;
use crate::nouns;
use crate::nouns::schema::{self, Schema};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// All types.
pub async fn list(url: RequestUrl) -> Json<Collection<Schema>> {
    Json(envelope::collection("schema", &url, schema::all(nouns::all(), url.base())))
}

/// One type; its name in any case.
pub async fn get(url: RequestUrl, Path(id): Path<String>) -> Result<Json<Schema>, ApiError> {
    let found = schema::one(nouns::all(), &id, url.base());
    found.map(Json).ok_or_else(|| ApiError::not_found("schema", &id))
}
