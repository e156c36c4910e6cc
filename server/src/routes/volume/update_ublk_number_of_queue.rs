//! `updateUblkNumberOfQueue`: how many queues a ublk device has. Only volumes of the v2 data engine have one.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateUblkNumberOfQueueInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume, of which nothing changes: it follows the setting already.
pub async fn handle(target: Target, input: UpdateUblkNumberOfQueueInput) -> Result<Resource<Volume>, ApiError> {
    action::volume(&target).await?;
    rules::second_engine("ublkNumberOfQueue", input.ublk_number_of_queue)?;
    action::answer(&target).await
}
