//! `PUT /v1/notificationtargets/{name}`

use aurochs_api::notification::{NotificationTarget, NotificationTargetInput};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::notifications::Notifications;
use crate::routes::body::Body;
use crate::view::envelope::Links;
use crate::view::notification_target::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the target. What the body does not say stays as it is, secrets too.
pub async fn handle(
    State(notifications): State<Notifications>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(input): Body<NotificationTargetInput>,
) -> Result<Json<Resource<NotificationTarget>>, ApiError> {
    let changed = notifications.change(&name, &input).await?;
    tracing::info!(target = name, "notification target changed");
    Ok(Json(resource(changed, Links::of(&url))))
}
