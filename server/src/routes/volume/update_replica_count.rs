//! `updateReplicaCount`: how many copies a volume has.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateReplicaCountInput;

use super::action::{self, Target};
use super::rules;
use crate::error::{ApiError, ErrorKind};

/// Longhorn's range.
pub const REPLICA_COUNT_MAXIMUM: u32 = 20;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateReplicaCountInput) -> Result<Resource<Volume>, ApiError> {
    check(input.replica_count)?;
    action::change(&target, |volume| {
        rules::strict_local_replicas(volume.spec.data_locality, input.replica_count)?;
        volume.spec.number_of_replicas = input.replica_count;
        Ok(())
    })
    .await
}

/// Checks a number of replicas.
pub(crate) fn check(count: u32) -> Result<(), ApiError> {
    if (1..=REPLICA_COUNT_MAXIMUM).contains(&count) {
        return Ok(());
    }
    let message = format_args!("a volume can't have {count} replicas");
    let next_step = format_args!("Give a number from 1 to {REPLICA_COUNT_MAXIMUM}; 3 survives the loss of two nodes.");
    Err(ApiError::new(ErrorKind::Invalid, message, next_step))
}
