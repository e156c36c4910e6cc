//! How far the head of a replica got: what a salvage has to go by when nobody is left who knows.

use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use super::directory::STAT_BLOCK;
use super::{Replica, ReplicaError};

/// Traces of the last writes. None of them is proof: clocks differ, and a count may be behind after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadFacts {
    /// Longhorn's count of writes, where it is kept.
    pub revision_counter: Option<u64>,
    /// When the head's content last changed, by the clock of its node: nanoseconds since 1970.
    pub modified_nanoseconds: i64,
    /// Storage the head takes on the disk.
    pub allocated_bytes: u64,
}

impl Replica {
    /// What the head's file tells of its last writes.
    ///
    /// # Errors
    /// The head could not be looked at.
    pub fn head_facts(&self) -> Result<HeadFacts, ReplicaError> {
        self.shared(|structure| {
            let facts = structure.head.image.stat()?;
            Ok(HeadFacts {
                revision_counter: self.revision_counter(),
                modified_nanoseconds: facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec()),
                allocated_bytes: facts.blocks() * STAT_BLOCK,
            })
        })
    }
}
