//! `updateRebuildConcurrentSyncLimit`: how much is copied at the same time while a replica is rebuilt.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateRebuildConcurrentSyncLimitInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(
    target: Target,
    input: UpdateRebuildConcurrentSyncLimitInput,
) -> Result<Resource<Volume>, ApiError> {
    let limit = input.rebuild_concurrent_sync_limit;
    let limit = limit.ok_or_else(|| action::missing("rebuildConcurrentSyncLimit", "the numbers from 0 to 5"))?;
    rules::rebuild_concurrent_sync_limit(limit)?;
    action::change(&target, |volume| {
        volume.spec.rebuild_concurrent_sync_limit = limit;
        Ok(())
    })
    .await
}
