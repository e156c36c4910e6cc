//! `GET /v1/whatif?change=…`

use aurochs_api::schema::Resource;
use aurochs_api::whatif::{Question, WhatIf};
use axum::Json;
use axum::extract::{Query, State};

use crate::app::App;
use crate::error::ApiError;
use crate::view::envelope;
use crate::web::request_url::RequestUrl;
use crate::whatif;
use crate::whatif::picture::Picture;

/// What would happen. Nothing does: whoever may look may ask.
pub async fn handle(
    State(app): State<App>,
    url: RequestUrl,
    Query(question): Query<Question>,
) -> Result<Json<Resource<WhatIf>>, ApiError> {
    let picture = Picture::read(&app.store, &app.settings, &app.instances).await?;
    // Thousands of placements may have to be tried.
    let answer = tokio::task::spawn_blocking(move || whatif::answer(&question, &picture)).await;
    let answer = answer.map_err(|error| ApiError::internal("thinking of what would happen", error))??;
    Ok(Json(envelope::singleton("whatIf", &url, answer)))
}
