//! `engineUpgrade`: another version of the engine for the volume.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::EngineUpgradeInput;

use super::action::{self, Target};
use crate::error::ApiError;
use crate::feature::Feature;

/// Answers with the volume. The image that it has already is nothing to do.
pub async fn handle(target: Target, input: EngineUpgradeInput) -> Result<Resource<Volume>, ApiError> {
    let volume = action::volume(&target).await?;
    let image = input.image;
    if image.is_empty() {
        return Err(action::missing("image", "the images that GET /v1/engineimages lists"));
    }
    if image != volume.spec.image && image != volume.status.current_image {
        let tried = format_args!("the upgrade of volume {} to engine image {image:?}", target.name);
        return Err(ApiError::not_yet(Feature::LiveUpgrade, tried));
    }
    action::answer(&target).await
}
