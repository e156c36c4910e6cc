//! `GET /v1/jobs`

use aurochs_api::job::{Job, JobQuestion};
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::{Query, RawQuery, State};

use super::query;
use crate::error::ApiError;
use crate::jobs::{Jobs, Page};
use crate::routes::pages;
use crate::view::envelope::{self, Links};
use crate::view::job;
use crate::web::request_url::RequestUrl;

/// A page of jobs, the latest first. `pagination.next` is the address of the next page, where there is one.
pub async fn handle(
    State(jobs): State<Jobs>,
    url: RequestUrl,
    RawQuery(raw): RawQuery,
    Query(asked): Query<JobQuestion>,
) -> Result<Json<Collection<Resource<Job>>>, ApiError> {
    let (filter, page) = query::read(&asked)?;
    let found = jobs.list(&filter, Page { limit: page.limit + 1, ..page }).await;
    let mut found = found.map_err(|error| ApiError::internal("reading the jobs", error))?;
    let pagination = pages::cut(&mut found, page.limit, &url, raw.as_deref(), |seen| seen.record.id.to_string());
    let data = found.iter().map(|seen| job::resource(seen, &[], Links::of(&url))).collect();
    Ok(Json(Collection { pagination: Some(pagination), ..envelope::collection("job", &url, data) }))
}
