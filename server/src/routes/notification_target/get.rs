//! `GET /v1/notificationtargets/{name}`

use aurochs_api::notification::NotificationTarget;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::notifications::Notifications;
use crate::view::envelope::Links;
use crate::view::notification_target::resource;
use crate::web::request_url::RequestUrl;

/// One target.
pub async fn handle(
    State(notifications): State<Notifications>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<NotificationTarget>>, ApiError> {
    Ok(Json(resource(notifications.find(&name).await?, Links::of(&url))))
}
