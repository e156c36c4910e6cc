//! `POST /v1/engineimages`

use aurochs_api::engine_image::EngineImageCreateInput;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::routes::body::Body;

/// A second image has no use before a running engine can be changed for another.
pub async fn handle(Body(input): Body<EngineImageCreateInput>) -> ApiError {
    ApiError::not_yet(Feature::LiveUpgrade, format_args!("adding engine image {:?}", input.image))
}
