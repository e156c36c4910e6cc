//! Looking at a replica directory without owning it: what it holds, what is wrong with it, what can be read from it.
//!
//! A healthy directory is opened by [`crate::replica::Replica::open`], which refuses everything that it cannot trust.
//! Here the same files are read with the same code, but piece by piece: what cannot be read becomes a [`Finding`], and
//! the rest is still told.
//!
//! 1. [`Survey::of`] takes the directory for looking and gathers facts of every file;
//! 2. [`structure`] judges how the layers stand on each other: which can be read, and why the others can't;
//! 3. [`LayerReader`] reads one of those that can, through its chain;
//! 4. [`verify`] reads the images themselves: whether they can be read, and whether they are what was once hashed;
//! 5. [`describe`] puts everything into the form that people and programs get.
//!
//! Invariants:
//! - **Nothing in the directory changes**: no mark, no leftover removed, no time but that of the last access.
//! - **Nobody owns the directory meanwhile**: a shared flock is held while a [`Survey`] lives, so that a replica cannot
//!   start beside it. Longhorn's own processes take no lock; they are told by their open files, as a warning.
//! - **What is read is whole**: a layer is offered for reading only if every image of its chain is there and has a
//!   size that it can have.

pub mod checksum;
pub mod describe;
mod finding;
mod layer;
pub mod occupant;
mod reader;
mod sizes;
mod state;
pub mod structure;
mod survey;
mod unfinished;
pub mod verify;

use std::path::PathBuf;

pub use describe::Description;
pub use finding::{Finding, FindingKind, Severity};
pub use reader::{LayerReader, Wanted};
pub use structure::Structure;
pub use survey::Survey;

use crate::replica::ReplicaError;

/// Why a directory, or a layer of it, cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    #[error("there is no directory {}; check the path", dir.display())]
    NoDirectory { dir: PathBuf },

    #[error(
        "there is no replica in {}: it has neither volume.meta nor images; give the directory that holds these files \
         (below <disk>/replicas)",
        dir.display()
    )]
    NoReplica { dir: PathBuf },

    #[error("replica directory {} is in use by {user}; detach the volume, or stop that process, and try again", dir.display())]
    InUse { dir: PathBuf, user: String },

    #[error("there is no snapshot {name:?} in {}; it has {known}", dir.display())]
    NoSnapshot { dir: PathBuf, name: String, known: String },

    #[error(
        "snapshot {name:?} is marked as removed; its data may be gone already, so it is not read; choose one of {known}"
    )]
    SnapshotRemoved { name: String, known: String },

    /// The chain of this layer is damaged.
    #[error("{layer} cannot be read: {why}; what can still be read: {readable}")]
    Damaged { layer: String, why: String, readable: String },

    #[error(transparent)]
    Replica(#[from] ReplicaError),
}

impl OfflineError {
    /// Whether the directory could not be looked at, in contrast to what was found in it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::NoSnapshot { .. } | Self::SnapshotRemoved { .. } | Self::Damaged { .. })
    }
}
