//! `GET /v1/jobs/{name}`

use aurochs_api::job::Job;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::jobs::{JobId, Jobs};
use crate::view::envelope::Links;
use crate::view::job;
use crate::web::request_url::RequestUrl;

/// One job with its log.
pub async fn handle(
    State(jobs): State<Jobs>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<Job>>, ApiError> {
    view(&jobs, &url, &name).await.map(Json)
}

pub(super) async fn view(jobs: &Jobs, url: &RequestUrl, name: &str) -> Result<Resource<Job>, ApiError> {
    let unread = |error| ApiError::internal("reading a job", error);
    let id = id(name)?;
    let seen = jobs.find(id).await.map_err(unread)?.ok_or_else(|| ApiError::not_found("job", name))?;
    let log = jobs.log_of(id).await.map_err(unread)?;
    Ok(job::resource(&seen, &log, Links::of(url)))
}

/// What is no number names no job.
pub(super) fn id(name: &str) -> Result<JobId, ApiError> {
    name.parse().map_err(|_| ApiError::not_found("job", name))
}
