//! `offlineReplicaRebuilding`: whether replicas are rebuilt while the volume is detached.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateOfflineRebuildingInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateOfflineRebuildingInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("offlineRebuilding", &input.offline_rebuilding)?;
    action::change(&target, |volume| {
        volume.spec.offline_rebuilding = wished;
        Ok(())
    })
    .await
}
