//! `updateReplicaSoftAntiAffinity`: whether replicas may share a node.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaSoftAntiAffinityInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateReplicaSoftAntiAffinityInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("replicaSoftAntiAffinity", &input.replica_soft_anti_affinity)?;
    action::change(&target, |volume| {
        volume.spec.replica_soft_anti_affinity = wished;
        Ok(())
    })
    .await
}
