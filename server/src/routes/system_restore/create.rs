//! `POST /v1/systemrestores`

use aurochs_api::system_restore::SystemRestoreCreateInput;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::routes::body::Body;

/// Not yet.
pub async fn handle(Body(input): Body<SystemRestoreCreateInput>) -> ApiError {
    ApiError::not_yet(Feature::SystemBackups, format_args!("creating system restore {:?}", input.name))
}
