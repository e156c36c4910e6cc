//! `GET /v1/events`

use aurochs_api::event::Event;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;

use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// None: events go to the manager's log and are not kept.
pub async fn handle(url: RequestUrl) -> Json<Collection<Resource<Event>>> {
    Json(envelope::collection("event", &url, Vec::new()))
}
