//! `GET /v1/schemas` and `/v1/schemas/{id}`: what clients learn the API from.

use aurochs_api::schema::Collection;
use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use crate::nouns;
use crate::nouns::schema::{self, Schema};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// All types.
pub async fn list(url: RequestUrl) -> Json<Collection<Schema>> {
    Json(envelope::collection("schema", &url, schema::all(nouns::all(), url.base())))
}

/// One type; its name in any case. One that is not known is answered by a schema without anything in it, as Longhorn does:
/// clients ask for types of other versions.
pub async fn get(url: RequestUrl, Path(id): Path<String>) -> Json<Value> {
    match schema::one(nouns::all(), &id, url.base()) {
        Some(found) => Json(json!(found)),
        None => Json(json!({ "id": "", "type": "schema", "links": { "self": url.current() }, "actions": {} })),
    }
}
