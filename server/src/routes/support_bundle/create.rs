//! `POST /v1/supportbundles`

use aurochs_api::support_bundle::SupportBundleInitiateInput;

use crate::error::ApiError;
use crate::feature::Feature;
use crate::routes::body::Body;

/// Not yet.
pub async fn handle(Body(_): Body<SupportBundleInitiateInput>) -> ApiError {
    ApiError::not_yet(Feature::SupportBundles, "collecting a support bundle")
}
