//! What can go wrong with a replica directory, said so that a person knows what to do.

use std::io;
use std::path::PathBuf;

use nix::libc;

use crate::backing::BackingError;
use crate::disk::DiskError;

/// Every failure of the replica library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The file system under the replica is full (or a quota is reached).
    // Longhorn's engine recognises a full disk by the phrase "no space left on device".
    #[error("cannot {what} {}: no space left on device; free space on this disk or move the replica", path.display())]
    NoSpace { what: &'static str, path: PathBuf },

    #[error("{what} of {length} bytes at {offset} goes past the end of {size} bytes; ask for a range inside it")]
    OutOfRange { what: &'static str, offset: u64, length: u64, size: u64 },

    #[error(
        "{what} of {length} bytes at {offset} is not made of whole 4096-byte blocks; widen the request to whole blocks"
    )]
    Unaligned { what: &'static str, offset: u64, length: u64 },

    #[error(
        "{file} cannot be trusted: {why}; nothing was changed; rebuild this replica from a healthy one, or repair the file"
    )]
    Corrupt { file: String, why: String },

    #[error("{what} is not supported: {why}")]
    Unsupported { what: String, why: String },

    #[error("cannot create a replica in {}: {why}", dir.display())]
    AlreadyExists { dir: PathBuf, why: String },

    #[error("there is no replica in {}: neither volume.meta nor a head image is there; create it first", dir.display())]
    NotFound { dir: PathBuf },

    #[error("replica directory {} is in use by another process; stop that one first", dir.display())]
    InUse { dir: PathBuf },

    #[error("a volume of {size} bytes is not possible: {why}")]
    InvalidSize { size: u64, why: &'static str },

    #[error(
        "a volume of {size} bytes cannot become one of {asked} bytes: its users may have data at the end; make a new, \
         smaller volume and copy what is to be kept"
    )]
    Smaller { asked: u64, size: u64 },

    #[error("name {name:?} cannot be used for a snapshot: {why}; choose another name")]
    InvalidName { name: String, why: &'static str },

    // Longhorn's engine recognises this case by the phrase "already existing".
    #[error("snapshot {name:?} is already existing; choose another name")]
    SnapshotExists { name: String },

    #[error("there is no snapshot {name:?} in this replica; list the snapshots for the names there are")]
    SnapshotNotFound { name: String },

    #[error("snapshot {name:?} is marked as removed; choose one that is not")]
    SnapshotRemoved { name: String },

    #[error("there is no layer {file_name:?} {place}")]
    LayerNotFound { file_name: String, place: &'static str },

    #[error("the chain has {count} images, and at most {limit} are possible; remove and purge snapshots first")]
    ChainTooLong { count: usize, limit: usize },

    #[error(
        "cannot {what}: this replica is being rebuilt and its data is not complete; use another replica until the rebuild has finished"
    )]
    Rebuilding { what: &'static str },

    #[error(
        "cannot {what}: this replica gets what it missed into its head, which must not become a layer before it is complete; \
         rebuild it in full instead"
    )]
    CatchingUp { what: &'static str },

    #[error("this replica cannot be brought up to date by what it missed: {why}; rebuild it in full")]
    NoCatchUp { why: &'static str },

    #[error("cannot {what}: no rebuild of this replica has begun since it was opened; begin one first")]
    NotRebuilding { what: &'static str },

    #[error(
        "epoch {offered} is older than epoch {seen}, which this replica has seen; the engine of epoch {offered} was replaced and must stop"
    )]
    StaleEpoch { offered: u64, seen: u64 },

    #[error("the replica is closed; open it again")]
    Closed,

    #[error("only an empty volume can be filled with a snapshot: {what}; use a new volume")]
    VolumeNotEmpty { what: String },

    #[error("nothing is being filled under this name; begin to fill the volume again")]
    NotFilling,

    #[error(
        "dirty regions stay as they are: another round of clearing has begun after round {round}, and its end will do it"
    )]
    RegionRoundOver { round: u64 },

    #[error("snapshot {base:?} is not below snapshot {name:?}; take all data instead of what changed since")]
    NoAncestor { base: String, name: String },

    #[error("the purge was stopped because {why}; what it had done stays; start it again for the rest")]
    PurgeStopped { why: String },

    #[error("the replica stopped itself: {why}; close this process and open the directory again")]
    Failed { why: String },

    #[error("{} still holds {left} after the replica's own files were deleted; look at them and delete the directory by hand", dir.display())]
    NotEmpty { dir: PathBuf, left: String },

    // Nothing is wrong with the replica otherwise.
    #[error(
        "cannot read {}: {bad}; where another replica has the block, it is repaired with that; where none has, write it anew, \
         or restore a backup", path.display()
    )]
    Damaged { path: PathBuf, bad: Box<str> },

    #[error("cannot {what} {}: {source}; {}", path.display(), remedy(source))]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    #[error(
        "the image {file_name} is missing, so its snapshot and those that stand on it cannot be used; put the file back and \
         start this replica again, or remove these snapshots to give them up"
    )]
    ImageMissing { file_name: String },

    #[error(
        "{held} is removed and keeps its space: {by} stands on it and its image is missing; put that file back and start \
         this replica again, or remove its snapshot and those that stand on it, and purge again"
    )]
    HeldByMissingImage { held: String, by: String },

    #[error(
        "cannot merge the removed {layer} in {}: {needed_bytes} bytes more are needed for it, and {free_bytes} are free, of \
         which {reserve_bytes} are kept for what volumes write; nothing is lost and what was merged stays; free space on \
         this disk or move a replica, and purge again",
        dir.display()
    )]
    NoRoomToPurge { layer: String, dir: PathBuf, needed_bytes: u64, free_bytes: u64, reserve_bytes: u64 },

    #[error(transparent)]
    Backing(#[from] BackingError),

    /// The disk refused a change before it took place. The replica is in use as before.
    #[error("{what}, and nothing has changed: {source}")]
    Undone { what: &'static str, source: Box<ReplicaError> },

    #[error(
        "{} is in the way of a new layer: it is none of this replica's, may hold data, and cannot be moved aside because \
         all names for that are taken; nothing was changed; look at it and at its namesakes, and move or delete what is \
         not wanted",
        path.display()
    )]
    InTheWay { path: PathBuf },
}

impl ReplicaError {
    /// A file whose content or place contradicts the format.
    pub(crate) fn corrupt(file: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt { file: file.into(), why: why.into() }
    }

    /// The disk's failure, said as what it means: the change did not take place. Other errors say that themselves.
    pub(crate) fn undone(self, what: &'static str) -> Self {
        match self {
            Self::NoSpace { .. } | Self::Io { .. } => Self::Undone { what, source: Box::new(self) },
            other => other,
        }
    }

    /// The error itself, without what it meant for the operation.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Undone { source, .. } => source.cause(),
            other => other,
        }
    }

    /// A panic in another thread left a lock, and what it protects, in an unknown state.
    pub(crate) fn poisoned() -> Self {
        Self::Failed { why: "an earlier operation panicked".to_owned() }
    }
}

impl From<DiskError> for ReplicaError {
    fn from(error: DiskError) -> Self {
        if let Some(bad) = error.bad_block() {
            return Self::Damaged { path: error.path, bad: bad.to_string().into() };
        }
        let DiskError { what, path, source } = error;
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::NoSpace { what, path },
            _ => Self::Io { what, path, source },
        }
    }
}

/// The next step for the kernel's answers that have one of their own.
fn remedy(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            "the file system may lack direct I/O or extent maps: put the replica on ext4 or XFS (not tmpfs)"
        }
        Some(libc::EFBIG) => {
            "the file system does not hold files of this size: choose a smaller volume, or put the replica on XFS (the \
             largest file of ext4 is 16 TiB less 4 KiB)"
        }
        Some(libc::ENOENT) => "the file is missing: rebuild this replica from a healthy one",
        Some(libc::EACCES | libc::EPERM) => "run as a user that may use this directory",
        Some(libc::EROFS) => "the disk is read-only: check the kernel's log and the disk",
        _ => "check the disk and the kernel's log",
    }
}
