//! What is measured once beside the rounds.

pub(crate) mod memory;
pub(crate) mod rebuild;
pub(crate) mod snapshot;
pub(crate) mod starts;
