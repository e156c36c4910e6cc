//! Hashing of snapshots: a checksum over a layer's own file, kept beside it, that tells later whether the disk still
//! returns what was written.
//!
//! [`Replica::hash_snapshot`] is one hash; [`HashJobs`] runs them in the background, one at a time in a replica's
//! process and, by [`NodeLock`], one at a time on a node. `sum` adds the bytes up, `checksum_file` is Longhorn's
//! format.
//!
//! Invariants:
//! - **A checksum whose change time is the file's is the checksum of what the file held.** Before it is written, and
//!   again after, the snapshot's name has to lead to the same file with the same change time as before the first byte
//!   was read; else no checksum is left.
//! - **Nothing waits for a hash.** The image is opened once and never changes; the structure's lock is taken for a
//!   moment at the start, after every [`RECHECK`] bytes and at the end, and only beside other I/O.
//! - **A sum that was right stays.** A second hash of an unchanged file that finds another sum keeps the old one and
//!   says that the file was silently corrupted.
//!
//! The sum is one of a layer, not of what a reader sees: two good replicas may hold a block in different layers, and
//! then their sums differ.

pub(crate) mod checksum_file;
mod control;
mod jobs;
mod node_lock;
pub(crate) mod sum;

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use jiff::Timestamp;

use super::names;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::crash_point;
use crate::disk::DiskError;
use crate::disk::image::{Access, ImageFile};

pub use checksum_file::SnapshotChecksum;
pub use control::HashControl;
pub use jobs::{HashJobs, HashState};
pub use node_lock::NodeLock;

/// Bytes read between two looks whether the snapshot is still there (Longhorn's interval).
pub const RECHECK: u64 = 10 << 20;
/// A file system stamps changes with a clock that ticks a few milliseconds apart: a file that changed just now could
/// change again and keep its change time. After this long it can't.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// Why a snapshot was not hashed. It has no checksum then, unless it had a valid one before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error("the hash of snapshot {snapshot:?} was cancelled: {why}")]
    Cancelled { snapshot: String, why: String },
    #[error("snapshot {snapshot:?} changed while it was hashed: {what}; hash it again when nothing else works on it")]
    Changed { snapshot: String, what: String },
    #[error(
        "cannot hash snapshot {wanted:?}: snapshot {running:?} of this replica is being hashed; try again when it is done"
    )]
    Busy { wanted: String, running: String },
    #[error("cannot {what} {}, the lock that allows one hash at a time on this node: {source}; check the path and its permissions", path.display())]
    Lock {
        what: &'static str,
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl From<DiskError> for HashError {
    fn from(error: DiskError) -> Self {
        Self::Replica(error.into())
    }
}

/// What tells that a name still leads to the same, unchanged file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    /// Go's text of the file's change time.
    change_time: String,
}

impl Version {
    fn of(facts: &std::fs::Metadata) -> Self {
        Self { device: facts.dev(), inode: facts.ino(), change_time: checksum_file::change_time(facts) }
    }
}

/// The snapshot that is hashed.
struct Subject<'call> {
    replica: &'call Replica,
    snapshot: &'call str,
    file_name: String,
    image: ImageFile,
}

impl Replica {
    /// Hashes the file of a snapshot and keeps the sum beside it, durably. A valid sum that is there already is returned
    /// as it is, unless `rehash` is set. Takes as long as reading the file's data does, twice that where it would
    /// take all of the disk's time. `control` tells how far it is, and ends it.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`] and [`ReplicaError::SnapshotRemoved`], also when the snapshot goes meanwhile;
    /// [`HashError::Changed`], [`HashError::Cancelled`], or the disk's; [`ReplicaError::Damaged`] where the disk has changed a
    /// block of a snapshot that has no valid sum.
    pub fn hash_snapshot(
        &self,
        snapshot: &str,
        rehash: bool,
        control: &HashControl,
    ) -> Result<SnapshotChecksum, HashError> {
        let subject = Subject::open(self, snapshot)?;
        subject.outlive_clock_tick(control)?;
        let before = subject.version()?;
        let known = self.read_checksum(&subject.file_name, &before)?;
        if let Some(known) = known.as_ref().filter(|_| !rehash) {
            return Ok(known.clone());
        }
        let sum = match (subject.sum(&before, control), &known) {
            (Ok(sum), _) => Some(sum),
            // It cannot be the sum of before.
            (Err(HashError::Replica(ReplicaError::Damaged { .. })), Some(_)) => None,
            (Err(error @ HashError::Replica(ReplicaError::Damaged { .. })), None) => {
                subject.check_unchanged(&before)?;
                return Err(error);
            }
            (Err(error), _) => return Err(error),
        };
        crash_point::reached("hash.summed");
        let found = SnapshotChecksum::found(sum, &before.change_time, known.as_ref());
        if found.silently_corrupted {
            tracing::error!(snapshot, recorded = found.checksum, found = sum.map(checksum_file::hex),
                directory = %self.directory.path().display(), "the data of a snapshot has changed on the disk");
        }
        subject.record(&before, &found)?;
        Ok(found)
    }

    /// The sum of a snapshot; `None` where it was never hashed, or not since its file last changed.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`], [`ReplicaError::SnapshotRemoved`], [`ReplicaError::Rebuilding`], or the
    /// disk's.
    pub fn snapshot_checksum(&self, snapshot: &str) -> Result<Option<SnapshotChecksum>, ReplicaError> {
        let file_name = names::snapshot_image(snapshot)?;
        self.shared(|structure| {
            check_hashable(structure, snapshot, &file_name)?;
            let path = self.directory.file(&file_name);
            let facts = std::fs::symlink_metadata(&path).map_err(DiskError::at("look at", &path))?;
            self.read_checksum(&file_name, &Version::of(&facts))
        })
    }

    fn read_checksum(&self, file_name: &str, version: &Version) -> Result<Option<SnapshotChecksum>, ReplicaError> {
        let file = names::checksum_of(file_name);
        let known = self.directory.read(&file)?.and_then(|text| SnapshotChecksum::decode(&file, &text));
        Ok(known.filter(|known| known.change_time == version.change_time))
    }
}

/// A snapshot that is marked removed is none any more, and one that is being filled has no content yet.
fn check_hashable(structure: &Structure, snapshot: &str, file_name: &str) -> Result<(), ReplicaError> {
    structure.complete_for("hash a snapshot")?;
    match structure.records.get(file_name) {
        None => Err(ReplicaError::SnapshotNotFound { name: snapshot.to_owned() }),
        Some(record) if record.removed => Err(ReplicaError::SnapshotRemoved { name: snapshot.to_owned() }),
        Some(_) => structure.records.check_image(file_name),
    }
}

impl<'call> Subject<'call> {
    fn open(replica: &'call Replica, snapshot: &'call str) -> Result<Self, ReplicaError> {
        let file_name = names::snapshot_image(snapshot)?;
        let image = replica.shared(|structure| {
            check_hashable(structure, snapshot, &file_name)?;
            Ok(replica.directory.open_image(&file_name, Access::ReadOnly)?)
        })?;
        Ok(Self { replica, snapshot, file_name, image })
    }

    fn version(&self) -> Result<Version, DiskError> {
        Ok(Version::of(&self.image.stat()?))
    }

    /// Waits until a change from now on would show in the change time.
    fn outlive_clock_tick(&self, control: &HashControl) -> Result<(), HashError> {
        let changed = checksum_file::change_timestamp(&self.image.stat()?);
        let age = Timestamp::now().duration_since(changed);
        // A time in the future was stamped by a clock that was set back since; it will not be stamped again soon.
        match Duration::try_from(age) {
            Ok(age) if age < CLOCK_TICK => control.pause(self.snapshot, CLOCK_TICK - age),
            _ => Ok(()),
        }
    }

    fn sum(&self, before: &Version, control: &HashControl) -> Result<u64, HashError> {
        let mut checked = 0;
        sum::of_image(&self.image, |step| {
            control.advance(step.done_bytes, step.total_bytes);
            if step.read_bytes - checked >= RECHECK {
                checked = step.read_bytes;
                self.check_unchanged(before)?;
            }
            // As long as it took to read: a hash takes at most half of a disk's time, and less of a busy one's.
            control.pause(self.snapshot, step.took.min(sum::LONGEST_PAUSE))
        })
    }

    fn check_unchanged(&self, before: &Version) -> Result<(), HashError> {
        let difference = self.replica.shared(|structure| self.difference(structure, before))?;
        difference.map_or(Ok(()), |what| Err(self.changed(what)))
    }

    fn changed(&self, what: String) -> HashError {
        HashError::Changed { snapshot: self.snapshot.to_owned(), what }
    }

    /// How the snapshot differs from what was opened. The caller holds the structure.
    fn difference(&self, structure: &Structure, before: &Version) -> Result<Option<String>, ReplicaError> {
        check_hashable(structure, self.snapshot, &self.file_name)?;
        let path = self.replica.directory.file(&self.file_name);
        let facts = std::fs::symlink_metadata(&path).map_err(DiskError::at("look at", &path))?;
        let now = Version::of(&facts);
        if now == *before {
            return Ok(None);
        }
        if (now.device, now.inode) != (before.device, before.inode) {
            return Ok(Some(format!("{} is another file now", path.display())));
        }
        let times = format!("from {} to {}", before.change_time, now.change_time);
        Ok(Some(format!("the change time of {} went {times}", path.display())))
    }

    /// Writes the checksum, while nobody can change which file the snapshot's name leads to.
    fn record(&self, before: &Version, found: &SnapshotChecksum) -> Result<(), HashError> {
        let directory = &self.replica.directory;
        let file = names::checksum_of(&self.file_name);
        let difference = self.replica.shared(|structure| {
            // Two hashes of one snapshot would write the same temporary file.
            let _one_at_a_time = self.replica.checksum_file.lock().map_err(|_| ReplicaError::poisoned())?;
            let mut difference = self.difference(structure, before)?;
            if difference.is_none() {
                directory.replace(&file, &found.encode(&file)?, 0o644)?;
                crash_point::reached("hash.recorded");
                difference = self.difference(structure, before)?;
            }
            if difference.is_some() && directory.remove(&file)? {
                directory.sync()?;
            }
            Ok(difference)
        })?;
        difference.map_or(Ok(()), |what| Err(self.changed(what)))
    }
}
