//! `updateReplicaRebuildingBandwidthLimit`: how fast a replica is rebuilt at most.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaRebuildingBandwidthLimitInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume. The body has a text, as Longhorn's has, though the volume's field is a number.
pub async fn handle(
    target: Target,
    input: UpdateReplicaRebuildingBandwidthLimitInput,
) -> Result<Resource<Volume>, ApiError> {
    const FIELD: &str = "replicaRebuildingBandwidthLimit";
    let limit = rules::size(FIELD, &input.replica_rebuilding_bandwidth_limit)?
        .ok_or_else(|| action::missing(FIELD, "megabytes a second, such as \"100\", or \"0\" to follow the setting"))?;
    rules::rebuilding_bandwidth_limit(limit.bytes())?;
    action::change(&target, |volume| {
        volume.spec.replica_rebuilding_bandwidth_limit = limit.bytes();
        Ok(())
    })
    .await
}
