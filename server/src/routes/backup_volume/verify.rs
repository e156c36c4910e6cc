//! `backupVerify`: reads a backup, or some of its blocks, and tells whether it could be restored. Changes nothing.

use aurochs_api::backup::BackupVerifyInput;
use aurochs_api::job::Job;
use aurochs_api::schema::Resource;

use super::actions;
use crate::backups::verify::Verification;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Cancel, JobKind, NewJob, StartedBy};
use crate::nouns::action::Target;
use crate::resources::BackupTarget;
use crate::resources::backup::BackupState;
use crate::view::envelope::Links;
use crate::view::job;

/// Answers with the job that does it, and that tells what it found; one that runs already is not begun again.
pub async fn handle(target: Target, input: BackupVerifyInput) -> Result<Resource<Job>, ApiError> {
    let app = &target.app;
    let backup = actions::known(&target, &input.name).await?;
    if backup.status.state != BackupState::Completed {
        let message = format_args!("backup {} is not complete, so there is nothing to verify", backup.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Let it end first."));
    }
    let key = keys::verification(backup.name());
    if let Some(seen) = app.jobs.seen(&key) {
        return Ok(job::resource(&seen, &[], Links::of(&target.url)));
    }
    let kept_in = app.store.get::<BackupTarget>(backup.target()).await?;
    let store = app.backups.store(kept_in.name(), &kept_in.spec).await?;
    let new = NewJob {
        volume: Some(backup.volume().to_owned()),
        started_by: StartedBy::User(target.user.clone()),
        cancel: Cancel::Possible,
        key: Some(key.clone()),
        ..NewJob::new(JobKind::Check, backup.name(), "")
    };
    let handle = app.jobs.begin(new).await;
    let id = handle.id();
    let sample = (input.sample > 0).then_some(input.sample);
    let (backups, events) = (app.backups.clone(), app.events.clone());
    tokio::spawn(Verification { backups, store, backup, sample, events }.run(handle));
    let seen = app.jobs.find(id).await.map_err(|error| ApiError::internal("reading a job", error))?;
    let seen = seen.ok_or_else(|| ApiError::internal("verifying a backup", "its job is not known"))?;
    Ok(job::resource(&seen, &[], Links::of(&target.url)))
}
