//! `updateUblkQueueDepth`: how many requests a ublk queue takes. Only volumes of the v2 data engine have one.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateUblkQueueDepthInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume, of which nothing changes: it follows the setting already.
pub async fn handle(target: Target, input: UpdateUblkQueueDepthInput) -> Result<Resource<Volume>, ApiError> {
    action::volume(&target).await?;
    rules::second_engine("ublkQueueDepth", input.ublk_queue_depth)?;
    action::answer(&target).await
}
