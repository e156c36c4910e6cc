//! The owner of one replica directory, in Longhorn's on-disk format. All calls block; threads may share a [`Replica`].
//!
//! The way of a write: [`write`](Replica::write) checks the range, sees to it that the log of dirty regions says so
//! (`regions`), completes partial blocks by reading what is there, puts whole blocks into the head image and then remembers
//! in the head's extent map that the head holds them.
//! The way of a read: [`read`](Replica::read) asks the head's map, then the map of the layers below, and issues one
//! `pread` for every run of blocks that lie in one file.
//!
//! Invariants:
//! - **One owner.** An flock on the directory is held from open to close.
//! - **Maps say what the files say.** The head's map is what FIEMAP would answer for the head, after every call, failed
//!   ones included. A reopened replica therefore reads the same bytes.
//! - **Snapshots never change.** What is seen from a live snapshot stays as it was. Only the head is written; a layer
//!   below it is written by a rebuild, while `volume.meta` says `Rebuilding` and nothing is served from this replica, and
//!   by a purge or a discard where the layer is marked as removed and nobody can see the difference.
//! - **A map that may be wrong is never looked up** (`map_trust`).
//! - **Metadata is durable.** When a call that changes the structure returns, the change survives a power cut; in
//!   between, a crash leaves either the old or the new structure, and strays that the next open recognises.
//! - **A refused change has changed nothing.** What the disk refuses before the commit is taken back (`replace`). Only
//!   where nobody knows which structure the disk holds does the replica fail, until its directory is opened again.
//!
//! | lock | protects | taken by |
//! |---|---|---|
//! | structure, shared | which layers there are | reads, writes, discards, flushes |
//! | structure, exclusive | the same | snapshot, revert, expand, remove, the swap of a purge, rebuild begin and finish, close: they wait for I/O in flight |
//! | the storage of removed layers | what is punched out of them, or copied into them | discards, the steps of a purge |
//! | the state of the log of dirty regions | what its file says; for a moment, never across I/O: who writes to the file says so in it | the first change of a region in a while |
//! | the maps | which blocks the head holds, and which layer below it holds a block | for the moment of a look-up or an update, never across I/O |
//!
//! Two requests for the same block are never in flight together unless both are reads: the engine orders them.

mod abandon;
mod allocation;
mod below;
mod catch_up;
pub(crate) mod chain;
mod checksum;
mod create;
pub(crate) mod delete;
pub(crate) mod directory;
mod error;
pub(crate) mod expand;
pub(crate) mod extent_map;
mod fence;
mod fill;
mod gate;
pub mod hash;
mod head_facts;
mod layer_files;
pub(crate) mod leftovers;
mod make_way;
mod map_trust;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod open;
mod prepared_snapshot;
mod purge;
mod queued;
mod raw_layers;
mod read;
mod rebuild;
mod rebuild_target;
mod regions;
mod remote_map;
mod remove;
mod repair;
mod replace;
mod revert;
pub(crate) mod revision_counter;
mod snapshot;
mod snapshot_view;
pub(crate) mod stack;
pub(crate) mod sums;
mod sync;
pub(crate) mod tree;
pub(crate) mod unfinished;
mod unmap;
mod write;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

pub use delete::delete_directory;
pub use error::ReplicaError;
pub use fence::FenceState;
pub use head_facts::HeadFacts;
pub use purge::{Pace, PurgeRun, PurgeState, PurgeStatus};
pub use raw_layers::LayerInfo;
pub use regions::{DirtyRegions, MissedRegions};
pub use repair::RepairReport;
pub use snapshot_view::{SnapshotFacts, SnapshotSelection};

use crate::crash_point;
use crate::disk::DiskError;
use directory::Directory;
use revision_counter::RevisionCounter;
use stack::Structure;

/// How a directory is created and opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Keep Longhorn's `revision.counter`.
    pub revision_counter: bool,
    /// Keep no checksums of blocks, and forget those that there are.
    pub no_checksums: bool,
}

/// An open replica directory.
#[derive(Debug)]
pub struct Replica {
    directory: Directory,
    /// Volume size in bytes, a multiple of 4096: a copy of what `volume.meta` holds, changed under the exclusive lock. It
    /// only grows, so that a range that was found to be inside stays inside.
    size: AtomicU64,
    was_dirty: bool,
    /// Every use of `life` goes through it first: a pass for requests, alone for changes. So the lock is free when it
    /// is asked for.
    gate: gate::Gate,
    life: RwLock<Life>,
    fence: Mutex<FenceState>,
    revision: Option<RevisionCounter>,
    syncs: sync::Syncs,
    prepared: Mutex<Option<prepared_snapshot::PreparedSnapshot>>,
    views: snapshot_view::Views,
    fill: Mutex<Option<Arc<fill::Filling>>>,
    /// Held while a snapshot's checksum file is replaced.
    checksum_file: Mutex<()>,
    purge: purge::Slot,
    remote: remote_map::RemoteMap,
}

/// ```text
///   Open ──close──► Closed
///     └──a change of structure broke off where memory and files may differ──► Failed
/// ```
/// An open structure whose maps cannot be trusted any more answers as a failed one (`map_trust`).
#[derive(Debug)]
enum Life {
    Open(Box<Structure>),
    Closed,
    Failed { why: String },
}

impl Life {
    fn open(&self) -> Result<&Structure, ReplicaError> {
        match self {
            Self::Open(structure) => structure.trusted().map(|()| structure.as_ref()),
            Self::Closed => Err(ReplicaError::Closed),
            Self::Failed { why } => Err(ReplicaError::Failed { why: why.clone() }),
        }
    }
}

/// How a change of the structure ended without success.
#[derive(Debug)]
enum ChangeError {
    /// Memory and files agree: the change was undone, or has taken place but for its last tidying.
    Kept(ReplicaError),
    /// Memory and files may differ; nothing more may be served from memory.
    Broken(ReplicaError),
}

impl From<ReplicaError> for ChangeError {
    fn from(error: ReplicaError) -> Self {
        Self::Kept(error)
    }
}

impl From<DiskError> for ChangeError {
    fn from(error: DiskError) -> Self {
        Self::Kept(error.into())
    }
}

impl ChangeError {
    /// For what happens up to the commit: a failure that kept memory and files equal has changed nothing.
    fn undone(self, what: &'static str) -> Self {
        match self {
            Self::Kept(error) => Self::Kept(error.undone(what)),
            broken @ Self::Broken(_) => broken,
        }
    }
}

impl Replica {
    /// Volume size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Whether the directory had not been closed properly before it was opened.
    #[must_use]
    pub fn was_dirty(&self) -> bool {
        self.was_dirty
    }

    /// Whether the replica lacks data and serves no reads.
    #[must_use]
    pub fn rebuilding(&self) -> bool {
        self.shared(|structure| Ok(structure.meta.rebuilding)).unwrap_or(false)
    }

    /// File name of the head image; empty once closed.
    #[must_use]
    pub fn head_file(&self) -> String {
        self.shared(|structure| Ok(structure.meta.head.clone())).unwrap_or_default()
    }

    /// Value of `revision.counter`; `None` where it is not kept.
    #[must_use]
    pub fn revision_counter(&self) -> Option<u64> {
        self.revision.as_ref().map(RevisionCounter::get)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// What the replica knows about engines and its host.
    #[must_use]
    pub fn fence(&self) -> FenceState {
        self.fence.lock().map(|state| state.clone()).unwrap_or_else(|poisoned| poisoned.into_inner().clone())
    }

    /// Accepts an engine of `epoch`, durably before it returns. A lower generation of the same epoch changes nothing.
    ///
    /// # Errors
    /// [`ReplicaError::StaleEpoch`] where a higher epoch was seen; otherwise the file could not be written, and the
    /// epoch is not accepted.
    pub fn raise_fence(&self, epoch: u64, generation: u64) -> Result<(), ReplicaError> {
        self.shared(|_| self.change_fence(|fence| fence.raised(epoch, generation)))
    }

    /// All replicas of the volume are equal: nothing that a reboot took from this one is missing any more.
    ///
    /// # Errors
    /// The file could not be written; the replica still counts as one that may lack writes.
    pub fn settle(&self) -> Result<(), ReplicaError> {
        self.shared(|structure| {
            structure.complete_for("count as complete")?;
            self.change_fence(|fence| Ok(fence.settled()))
        })?;
        crate::crash_point::reached("settle.stored");
        Ok(())
    }

    /// Replaces the fence by what `change` makes of it, durably before anybody sees it.
    fn change_fence(
        &self,
        change: impl FnOnce(&FenceState) -> Result<FenceState, ReplicaError>,
    ) -> Result<(), ReplicaError> {
        let mut fence = self.fence.lock().map_err(|_| ReplicaError::poisoned())?;
        let changed = change(&fence)?;
        if changed != *fence {
            changed.store(&self.directory)?;
            crash_point::reached("fence.raised");
            *fence = changed;
        }
        Ok(())
    }

    fn store_revision(&self) -> Result<(), ReplicaError> {
        self.revision.as_ref().map_or(Ok(()), |revision| revision.store(&self.directory))
    }

    /// Goes on counting from `value`; where no counter is kept, nothing happens.
    ///
    /// # Errors
    /// It could not be made durable.
    pub fn set_revision_counter(&self, value: u64) -> Result<(), ReplicaError> {
        self.shared(|_| {
            if let Some(revision) = &self.revision {
                revision.set(value);
            }
            self.store_revision()
        })
    }

    fn count_revision(&self) {
        if let Some(revision) = &self.revision {
            revision.count();
        }
    }

    /// Runs `work` beside others, on a structure that stays as it is meanwhile.
    fn shared<T>(&self, work: impl FnOnce(&Structure) -> Result<T, ReplicaError>) -> Result<T, ReplicaError> {
        let _pass = self.gate.enter();
        let life = self.life.read().map_err(|_| ReplicaError::poisoned())?;
        work(life.open()?)
    }

    /// Returns when every request that has begun before has ended. Later ones wait meanwhile.
    fn let_requests_end(&self) {
        drop(self.gate.alone());
    }

    /// Runs `change` alone, after all I/O in flight has ended. A snapshot that was prepared does not fit afterwards.
    fn exclusive<T>(&self, change: impl FnOnce(&mut Structure) -> Result<T, ChangeError>) -> Result<T, ReplicaError> {
        self.alone(|structure| {
            self.undo_prepared();
            change(structure)
        })
    }

    fn alone<T>(&self, change: impl FnOnce(&mut Structure) -> Result<T, ChangeError>) -> Result<T, ReplicaError> {
        let _alone = self.gate.alone();
        let mut life = self.life.write().map_err(|_| ReplicaError::poisoned())?;
        let Life::Open(structure) = &mut *life else {
            life.open()?;
            return Err(ReplicaError::Closed);
        };
        structure.trusted()?;
        self.views.forget_all();
        let head = structure.meta.head.clone();
        let outcome = change(structure);
        if structure.meta.head != head {
            self.remember_new_head();
        }
        if !matches!(outcome, Err(ChangeError::Broken(_))) {
            structure.regions.follow(&self.directory, structure.meta.size, &structure.meta.head);
        }
        match outcome {
            Ok(value) => Ok(value),
            Err(ChangeError::Kept(error)) => Err(error),
            Err(ChangeError::Broken(error)) => {
                *life = Life::Failed { why: error.to_string() };
                Err(error)
            }
        }
    }

    /// Nothing was written to a new head before this, so it follows the rule of [`unfinished`] from its beginning.
    fn remember_new_head(&self) {
        if let Err(error) = self.change_fence(|fence| Ok(fence.with_own_head())) {
            tracing::warn!(%error, "after a power cut, blocks of the new head that were being written may read as zeros");
        }
    }

    /// Checks that a request lies inside the volume.
    fn check_range(&self, what: &'static str, offset: u64, length: u64) -> Result<(), ReplicaError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size() => Ok(()),
            _ => Err(ReplicaError::OutOfRange { what, offset, length, size: self.size() }),
        }
    }
}

#[cfg(test)]
mod tests;
