//! `POST /v1/backuptargets`

use aurochs_api::backup_target::BackupTargetInput;
use axum::extract::State;

use super::poll_interval;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::resources::BackupTarget;
use crate::routes::body::Body;
use crate::store::Store;

/// Checked as far as it goes; then not yet.
pub async fn handle(State(store): State<Store>, Body(input): Body<BackupTargetInput>) -> ApiError {
    match check(&store, &input).await {
        Ok(()) => ApiError::not_yet(Feature::Backups, format_args!("creating backup target {}", input.name)),
        Err(error) => error,
    }
}

async fn check(store: &Store, input: &BackupTargetInput) -> Result<(), ApiError> {
    if input.name.is_empty() {
        let message = "a backup target needs a name";
        return Err(ApiError::new(ErrorKind::Invalid, message, "Give a name such as offsite."));
    }
    poll_interval::parse(&input.poll_interval)?;
    match store.find::<BackupTarget>(&input.name).await? {
        None => Ok(()),
        Some(_) => {
            let message = format_args!("backup target {} already exists", input.name);
            Err(ApiError::new(ErrorKind::Conflict, message, "Choose another name, or change that one."))
        }
    }
}
