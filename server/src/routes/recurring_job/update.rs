//! `PUT /v1/recurringjobs/{name}`

use aurochs_api::recurring_job::{RecurringJobInput, RecurringJobUpdate};
use axum::Json;
use axum::extract::{Path, State};

use super::check;
use crate::error::ApiError;
use crate::resources::RecurringJob;
use crate::resources::recurring_job::RecurringJobSpec;
use crate::routes::body::Body;
use crate::routes::shown;
use crate::settings::{Name, Settings};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the job. What the body does not say stays as it is.
pub async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(update): Body<RecurringJobUpdate>,
) -> Result<shown::One<RecurringJob>, ApiError> {
    let retention_maximum = settings.number(Name::RecurringJobMaxRetention);
    let mut refusal = None;
    let changed = store
        .modify::<RecurringJob>(&name, |job| match check::job(merged(&job.spec, &update), retention_maximum) {
            Ok(spec) => job.spec = spec,
            Err(error) => refusal = Some(error),
        })
        .await;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let changed = changed.map_err(|error| shown::unknown::<RecurringJob>(error, &name))?;
    tracing::info!(job = name, "job changed");
    Ok(Json(resource(&changed, Links::of(&url))))
}

/// The job as it would be after the change, not checked yet.
fn merged(before: &RecurringJobSpec, update: &RecurringJobUpdate) -> RecurringJobInput {
    let update = update.clone();
    RecurringJobInput {
        name: before.name.clone(),
        task: if update.task.text().is_empty() { before.task.word().into() } else { update.task },
        cron: update.cron.unwrap_or_else(|| before.cron.clone()),
        retain: update.retain.unwrap_or_else(|| before.retain.into()),
        concurrency: update.concurrency.unwrap_or_else(|| before.concurrency.into()),
        groups: update.groups.unwrap_or_else(|| before.groups.clone()),
        labels: update.labels.unwrap_or_else(|| before.labels.clone()),
        parameters: update.parameters.unwrap_or_else(|| before.parameters.clone()),
    }
}
