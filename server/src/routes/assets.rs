//! `GET /assets/{path}`: the dashboard's files.

use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};

use crate::error;
use crate::web::assets;

/// The file under its hashed name.
pub async fn handle(Path(path): Path<String>, request: Request) -> Response {
    match assets::respond(&path, request.headers()) {
        Some(response) => response,
        None => error::unknown_path(request).await.into_response(),
    }
}
