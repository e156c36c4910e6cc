//! `X-API-Schemas`: tells Longhorn's clients where the types are described. Their first request is for this header.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::request_url::RequestUrl;

const NAME: HeaderName = HeaderName::from_static("x-api-schemas");

/// Middleware: adds the header to every good answer of the API.
pub async fn add(url: RequestUrl, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = path == "/" || path == "/v1" || path.starts_with("/v1/");
    let mut response = next.run(request).await;
    let schemas = HeaderValue::try_from(format!("{}/v1/schemas", url.base()));
    if let (true, true, Ok(schemas)) = (is_api, response.status().is_success(), schemas) {
        response.headers_mut().insert(NAME, schemas);
    }
    response
}
