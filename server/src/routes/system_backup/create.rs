//! `POST /v1/systembackups`

use aurochs_api::system_backup::SystemBackupCreateInput;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::routes::body::Body;

/// Not yet.
pub async fn handle(Body(input): Body<SystemBackupCreateInput>) -> ApiError {
    ApiError::not_yet(Feature::SystemBackups, format_args!("creating system backup {:?}", input.name))
}
