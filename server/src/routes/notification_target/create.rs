//! `POST /v1/notificationtargets`

use aurochs_api::notification::{NotificationTarget, NotificationTargetInput};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::notifications::Notifications;
use crate::routes::body::Body;
use crate::view::envelope::Links;
use crate::view::notification_target::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the target.
pub async fn handle(
    State(notifications): State<Notifications>,
    url: RequestUrl,
    Body(input): Body<NotificationTargetInput>,
) -> Result<Json<Resource<NotificationTarget>>, ApiError> {
    let created = notifications.create(&input).await?;
    tracing::info!(target = input.name, "notification target created");
    Ok(Json(resource(created, Links::of(&url))))
}
