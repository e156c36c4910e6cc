//! `GET /v1/openapi.json`

use axum::Json;
use serde_json::Value;

use crate::nouns::{self, openapi};
use crate::web::request_url::RequestUrl;

/// The API as OpenAPI 3.1.
pub async fn handle(url: RequestUrl) -> Json<Value> {
    Json(openapi::document(nouns::all(), url.base()))
}
