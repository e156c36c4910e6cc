//! `POST /v1/backingimages`

use aurochs_api::backing_image::BackingImageCreateInput;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::routes::body::Body;

/// Not yet.
pub async fn handle(Body(input): Body<BackingImageCreateInput>) -> ApiError {
    ApiError::not_yet(Feature::BackingImages, format_args!("creating backing image {:?}", input.name))
}
