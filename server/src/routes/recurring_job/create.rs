//! `POST /v1/recurringjobs`

use aurochs_api::recurring_job::RecurringJobInput;
use axum::Json;
use axum::extract::State;

use super::check;
use crate::error::ApiError;
use crate::resources::{Object, RecurringJob};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::settings::{Name, Settings};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the job.
pub async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    url: RequestUrl,
    Body(input): Body<RecurringJobInput>,
) -> Result<shown::One<RecurringJob>, ApiError> {
    let spec = check::job(input, settings.number(Name::RecurringJobMaxRetention))?;
    let created = store.create(&Object::<RecurringJob>::new(spec.name.clone(), spec)).await?;
    tracing::info!(job = created.name(), task = created.spec.task.word(), cron = created.spec.cron, "job created");
    Ok(Json(resource(&created, Links::of(&url))))
}
