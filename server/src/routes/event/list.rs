//! `GET /v1/events`

use aurochs_api::event::Event;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::events::Events;
use crate::view::envelope::{self, Links};
use crate::view::event;
use crate::web::request_url::RequestUrl;

/// All that are kept, the latest first.
pub async fn handle(
    State(events): State<Events>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<Event>>>, ApiError> {
    let kept = events.list().await.map_err(|error| ApiError::internal("reading the events", error))?;
    let links = Links::of(&url);
    let data = kept.iter().map(|kept| event::resource(kept, links)).collect();
    Ok(Json(envelope::collection("event", &url, data)))
}
