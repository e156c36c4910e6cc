//! `GET /v1/notificationtargets`

use aurochs_api::notification::NotificationTarget;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::notifications::Notifications;
use crate::view::envelope::{self, Links};
use crate::view::notification_target::resource;
use crate::web::request_url::RequestUrl;

/// All targets, by name.
pub async fn handle(
    State(notifications): State<Notifications>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<NotificationTarget>>>, ApiError> {
    let known = notifications.list().await?;
    let data = known.into_iter().map(|known| resource(known, Links::of(&url))).collect();
    Ok(Json(envelope::collection("notificationTarget", &url, data)))
}
