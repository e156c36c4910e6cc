//! `GET /v1/schedule?cron=…`: what a cron would mean. Nothing is stored.

use aurochs_api::recurring_job::{CronMeaning, CronQuestion};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::Query;
use jiff::Timestamp;

use super::check;
use crate::error::ApiError;
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// Answers with the words and the next times; 422 says what is wrong with it.
pub async fn handle(
    url: RequestUrl,
    Query(query): Query<CronQuestion>,
) -> Result<Json<Resource<CronMeaning>>, ApiError> {
    let plan = check::plan("this cron", &query.cron)?;
    let now = Timestamp::now();
    let data = CronMeaning {
        schedule: plan.schedule.cron.words(),
        time_zone: plan.schedule.zone.clone(),
        next_runs: plan.told(now, now),
        cron: query.cron,
    };
    Ok(Json(envelope::singleton("cronMeaning", &url, data)))
}
