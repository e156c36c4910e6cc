//! `updateReplicaAutoBalance`: whether replicas are moved to even out the nodes.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaAutoBalanceInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateReplicaAutoBalanceInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("replicaAutoBalance", &input.replica_auto_balance)?;
    action::change(&target, |volume| {
        volume.spec.replica_auto_balance = wished;
        Ok(())
    })
    .await
}
