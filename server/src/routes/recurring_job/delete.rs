//! `DELETE /v1/recurringjobs/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::controllers::volume::default_group;
use crate::error::ApiError;
use crate::resources::volume::{LABEL_ENABLED, LABEL_RECURRING_JOB, LABEL_RECURRING_JOB_GROUP};
use crate::resources::{RecurringJob, Volume};
use crate::routes::shown;
use crate::store::{Store, StoreError};

/// Volumes stop naming the job, and those of its groups that no other job has. A label that stays behind when this is cut
/// off names a job that is not there, which volumes may do. A volume that is left without any takes part in the default group.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let unknown = |error| shown::unknown::<RecurringJob>(error, &name);
    let job = store.get::<RecurringJob>(&name).await.map_err(unknown)?;
    store.delete::<RecurringJob>(&name).await.map_err(unknown)?;
    tracing::info!(job = name, "job deleted");
    forget(&store, &format!("{LABEL_RECURRING_JOB}{name}")).await?;
    let others = store.list::<RecurringJob>().await?;
    for group in &job.spec.groups {
        if !others.iter().any(|other| other.spec.groups.contains(group)) {
            forget(&store, &format!("{LABEL_RECURRING_JOB_GROUP}{group}")).await?;
        }
    }
    Ok(StatusCode::OK)
}

async fn forget(store: &Store, label: &str) -> Result<(), StoreError> {
    for volume in store.list_labelled::<Volume>(label, LABEL_ENABLED).await? {
        let forgotten = store.modify::<Volume>(volume.name(), |volume| {
            volume.metadata.labels.remove(label);
            default_group::join(volume);
        });
        match forgotten.await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
