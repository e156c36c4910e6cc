//! `recurringJobRun`: the job runs now, besides its times.

use aurochs_api::action::NoInput;
use aurochs_api::recurring_job::RecurringJob as RecurringJobView;
use aurochs_api::schema::Resource;
use jiff::Timestamp;

use crate::error::{ApiError, ErrorKind};
use crate::nouns::action::Target;
use crate::recurring::clock::whole;
use crate::recurring::controller::asked_for;
use crate::resources::RecurringJob;
use crate::resources::recurring_job::RecurringJobStatus;
use crate::routes::shown;
use crate::view::envelope::Links;
use crate::view::shown::resource;

/// Answers with the job when the run is stored; it begins a moment later. 409 while one runs.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<RecurringJobView>, ApiError> {
    let (store, name) = (&target.app.store, target.name.as_str());
    let run = asked_for(whole(Timestamp::now()), &target.user);
    let mut is_busy = false;
    let change = |status: &mut RecurringJobStatus| {
        is_busy = status.run.is_some();
        if !is_busy {
            status.want(run.clone());
        }
    };
    let changed = store.modify_status::<RecurringJob>(name, change).await;
    let changed = changed.map_err(|error| shown::unknown::<RecurringJob>(error, name))?;
    if is_busy {
        let message = format_args!("recurring job {name} is running already");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait for its end, or cancel it in the list of jobs."));
    }
    tracing::info!(job = name, user = target.user, "a run is asked for");
    Ok(resource(&changed, Links::of(&target.url)))
}
