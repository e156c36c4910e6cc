//! `updateReplicaDiskSoftAntiAffinity`: whether replicas may share a disk.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaDiskSoftAntiAffinityInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(
    target: Target,
    input: UpdateReplicaDiskSoftAntiAffinityInput,
) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("replicaDiskSoftAntiAffinity", &input.replica_disk_soft_anti_affinity)?;
    action::change(&target, |volume| {
        volume.spec.replica_disk_soft_anti_affinity = wished;
        Ok(())
    })
    .await
}
