//! `GET /v1/events/{name}`

use aurochs_api::event::Event;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::events::Events;
use crate::view::envelope::Links;
use crate::view::event;
use crate::web::request_url::RequestUrl;

/// One event.
pub async fn handle(
    State(events): State<Events>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<Event>>, ApiError> {
    let found = events.find(&name).await.map_err(|error| ApiError::internal("reading an event", error))?;
    let kept = found.ok_or_else(|| ApiError::not_found("event", &name))?;
    Ok(Json(event::resource(&kept, Links::of(&url))))
}
