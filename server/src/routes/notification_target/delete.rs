//! `DELETE /v1/notificationtargets/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::error::ApiError;
use crate::notifications::Notifications;

/// What waits for it is not told any more.
pub async fn handle(
    State(notifications): State<Notifications>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    notifications.delete(&name).await?;
    tracing::info!(target = name, "notification target deleted");
    Ok(StatusCode::OK)
}
