//! `GET /metrics`: for Prometheus. Needs a login like everything (HTTP Basic), unless the manager was started with
//! `--metrics-open`.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::error::ApiError;
use crate::metrics::collect;
use crate::store::Store;

/// What is now.
pub async fn handle(State(store): State<Store>) -> Result<impl IntoResponse, ApiError> {
    let page = collect::page(&store).await?;
    Ok(([(header::CONTENT_TYPE, collect::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], page))
}
