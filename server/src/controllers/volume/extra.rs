//! One replica more than wished, for a while: why it is needed, and whether one that is there serves the need.
//!
//! Invariants: there is at most one more than wished; none is made while another is without a place or joining; the
//! one that is too many goes only when the new one is whole.

use crate::resources::{Object, Replica};
use crate::scheduling::balance::Move;

/// Why one more is needed, strongest first in the order in which a pass finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Data locality wants one beside the engine.
    Local { node: String },
    /// One that is evicting has to be replaced.
    Replacement { leaving: String },
    /// The replicas would be spread better.
    Balance(Move),
}

impl Need {
    /// Whether a replica that was made before, and has no data yet, is what is needed now.
    pub(super) fn is_met_by(&self, replica: &Object<Replica>) -> bool {
        let spec = &replica.spec;
        let here = match self {
            Self::Local { node } => spec.node_id == *node,
            Self::Replacement { .. } => true,
            Self::Balance(planned) => spec.disk_id == planned.to.disk_uuid,
        };
        here && !spec.eviction_requested && !replica.is_deleting()
    }

    /// The end of a sentence: "a replica of v is to be made …".
    pub(super) fn text(&self) -> String {
        match self {
            Self::Local { node } => format!("on {node}, where the engine runs (data locality)"),
            Self::Replacement { leaving } => format!("in place of {leaving}, whose disk or node is being emptied"),
            Self::Balance(planned) => {
                let Move { replica, to, why } = planned;
                format!("on {} in place of {replica}, {}", to.node, why.text())
            }
        }
    }
}
