//! `DELETE /v1/supportbundles/{node}/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::get;
use crate::error::ApiError;
use crate::resources::SupportBundle;
use crate::store::Store;

/// Also one that is being made: that ends then.
pub async fn handle(
    State(store): State<Store>,
    Path((node, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    get::find(&store, &node, &name).await?;
    store.delete::<SupportBundle>(&name).await?;
    tracing::info!(bundle = name, "asked to delete");
    Ok(StatusCode::OK)
}
