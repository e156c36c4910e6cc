//! `updateReplicaCount`: how many copies a volume has.

use serde::Deserialize;

use super::action::Target;
use super::get;
use crate::error::{ApiError, ErrorKind};
use crate::resources::Volume;
use crate::store::Store;

/// Longhorn's range.
pub const REPLICA_COUNT_MAXIMUM: u32 = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateReplicaCountInput {
    replica_count: u32,
}

/// Answers with the volume.
pub async fn handle(store: &Store, target: &Target, input: UpdateReplicaCountInput) -> Result<get::Answer, ApiError> {
    target.volume(store).await?;
    check(input.replica_count)?;
    store.modify::<Volume>(&target.volume, |volume| volume.spec.number_of_replicas = input.replica_count).await?;
    get::answer(store, &target.url, &target.volume).await
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
