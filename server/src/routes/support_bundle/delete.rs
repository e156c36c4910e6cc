//! `DELETE /v1/supportbundles/{node}/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::get;
use crate::error::ApiError;
use crate::feature::Feature;
use crate::store::Store;

/// Not yet.
pub async fn handle(
    State(store): State<Store>,
    Path((node, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    get::find(&store, &node, &name).await?;
    Err(ApiError::not_yet(Feature::SupportBundles, format_args!("deleting support bundle {name}")))
}
