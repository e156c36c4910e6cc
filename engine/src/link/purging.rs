//! A purge in the replica's process: a thread of its own, beside the requests.

use std::sync::Arc;

use super::control::ControlReply;
use crate::replica::{Pace, Replica, ReplicaError};

/// Starts one unless one runs. It does not keep the replica open: when everybody else has let go, it ends.
pub(super) fn start(replica: &Arc<Replica>) -> Result<ControlReply, ReplicaError> {
    if let Some(run) = replica.begin_purge()? {
        let replica = Arc::downgrade(replica);
        tokio::task::spawn_blocking(move || run.run(&replica, Pace::default()));
    }
    Ok(ControlReply::Purge(replica.purge_status()))
}
