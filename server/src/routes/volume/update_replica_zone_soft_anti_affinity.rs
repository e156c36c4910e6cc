//! `updateReplicaZoneSoftAntiAffinity`: whether replicas may share a zone.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaZoneSoftAntiAffinityInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(
    target: Target,
    input: UpdateReplicaZoneSoftAntiAffinityInput,
) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("replicaZoneSoftAntiAffinity", &input.replica_zone_soft_anti_affinity)?;
    action::change(&target, |volume| {
        volume.spec.replica_zone_soft_anti_affinity = wished;
        Ok(())
    })
    .await
}
