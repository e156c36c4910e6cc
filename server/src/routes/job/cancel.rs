//! `cancel`: asks whoever does the work to end it.

use aurochs_api::action::NoInput;
use aurochs_api::job::Job;
use aurochs_api::schema::Resource;

use super::get;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::CancelError;
use crate::nouns::action::Target;

/// Answers with the job. It ends a moment later; until then `cancelAskedBy` says that somebody asked.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<Job>, ApiError> {
    let (jobs, name) = (&target.app.jobs, target.name.as_str());
    let id = get::id(name)?;
    let found = jobs.find(id).await.map_err(|error| ApiError::internal("reading a job", error))?;
    let found = found.ok_or_else(|| ApiError::not_found("job", name))?.record;
    let what = format!("job {name} ({} of {})", found.kind.word(), found.object);
    match jobs.cancel(id, &target.user).await {
        Ok(()) => get::view(jobs, &target.url, name).await,
        Err(CancelError::Ended) => {
            let message = format_args!("{what} can't be cancelled: it does not run any more");
            Err(ApiError::new(ErrorKind::Conflict, message, "Nothing has to be done."))
        }
        Err(CancelError::Impossible(why)) => {
            Err(ApiError::new(ErrorKind::Conflict, format_args!("{what} can't be cancelled"), why))
        }
    }
}
