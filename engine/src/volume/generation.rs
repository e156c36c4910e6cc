//! Members are told each generation of the membership, so that they remember how long they were part of it.
//!
//! Invariants, which a salvage goes by:
//! - **A replica that was told a generation held every acknowledged write in it**: it was a recorded member, or a joiner
//!   whose rebuild was complete.
//! - **A recorded member was told a generation**: a rebuilt replica before it is recorded, so that no crash in between
//!   makes it look like one that was never part of the volume.
//! - **A replica that became a member in one generation is told that before a later one is recorded**, or is dropped in
//!   that: nobody who left earlier was told more.

use std::time::Duration;

use super::membership::View;
use super::record::Generation;
use crate::link::control::ControlRequest;
use crate::link::{LinkError, ReplicaLink};

/// Longest wait for a replica that is to remember its membership: it replaces one small file.
const TELL_PATIENCE: Duration = Duration::from_secs(8);

/// Tells the view's recorded members, in the background: nothing waits for it, and a member that missed it is told the
/// next one. `view` has to be recorded.
pub(crate) fn tell(view: &View) {
    let generation = view.record.generation.0;
    for member in view.members.iter().filter(|member| view.record.members.contains(member.link.name())) {
        let link = member.link.clone();
        tokio::spawn(async move {
            if let Err(error) = link.control(&ControlRequest::Generation { generation }).await {
                tracing::debug!(replica = link.name(), generation, %error, "could not tell the generation");
            }
        });
    }
}

/// Returns when the replica has it on its disk.
pub(crate) async fn tell_and_wait(link: &ReplicaLink, generation: Generation) -> Result<(), LinkError> {
    let request = ControlRequest::Generation { generation: generation.0 };
    let told = tokio::time::timeout(TELL_PATIENCE, link.control(&request)).await;
    told.map(|told| told.map(drop)).unwrap_or_else(|_| {
        let cause = format!("it did not remember its membership within {} s", TELL_PATIENCE.as_secs());
        Err(LinkError::Lost { replica: link.name().to_owned(), cause })
    })
}
