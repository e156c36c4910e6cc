//! Members are told each generation of the membership, so that they remember how long they were part of it.
//!
//! Invariant: a replica that was told a generation was a recorded member in it. A salvage goes by that.

use super::membership::View;
use crate::link::control::ControlRequest;

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
