//! Longhorn's count of writes, handed on to a rebuilt replica.
//!
//! It counts what reached a replica, and Longhorn compares the counts of all replicas: one that began at its rebuild
//! would look like the most outdated of them, although it lacks nothing.

use super::{OperationError, ReplicaLink};
use crate::link::control::{ControlReply, ControlRequest};

/// Lets `joiner` go on counting where `source` is. Under a barrier: from then on both count the same writes. Nothing
/// happens where the source keeps no counter; a joiner that keeps none ignores it.
pub(super) async fn copy(source: &ReplicaLink, joiner: &ReplicaLink) -> Result<(), OperationError> {
    let lost = |error: crate::link::LinkError| OperationError::Failed(error.to_string());
    let value = match source.control(&ControlRequest::RevisionCounter).await.map_err(lost)? {
        ControlReply::RevisionCounter(Some(value)) => value,
        ControlReply::RevisionCounter(None) => return Ok(()),
        other => {
            let message = format!("replica {} answered a question for its counter with {other:?}", source.name());
            return Err(OperationError::Failed(message));
        }
    };
    joiner.control(&ControlRequest::RevisionCounterSet { value }).await.map_err(lost)?;
    Ok(())
}
