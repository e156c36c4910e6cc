//! Why a backup, restore, deletion or look at a store did not succeed.

use super::sink::SinkError;
use super::source::SourceError;
use super::target::StoreError;
use crate::backing::BackingError;
use crate::image_format::ExportError;

/// The text says what was tried, why it failed and what to do; no credentials are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),

    #[error("cannot read the snapshot: {0}")]
    Source(#[source] SourceError),

    #[error("cannot write to the volume that is restored: {0}")]
    Sink(#[source] SinkError),

    #[error(
        "{name:?} is no name for a {what}: it takes at least two letters, digits, \"_\", \".\" or \"-\", and begins with a \
         letter or digit"
    )]
    InvalidName { what: &'static str, name: String },

    #[error("there is no backup volume {volume:?} in this backup target; list it to see what there is")]
    NoVolume { volume: String },

    #[error("backup volume {volume:?} has no backup {backup:?}; list it to see what there is")]
    NoBackup { volume: String, backup: String },

    #[error("there is no system backup {name:?} of version {version}; list them to see what there is")]
    NoSystemBackup { name: String, version: String },

    #[error("system backup {name:?} of version {version} is there already; choose another name, or delete it first")]
    SystemBackupExists { name: String, version: String },

    #[error("there is no backup of backing image {name:?} in this backup target; list it to see what there is")]
    NoBackingImage { name: String },

    #[error(
        "backing image {name:?} is backed up there already, with other content; delete that backup, or give the image \
         another name"
    )]
    BackingImageExists { name: String },

    /// Its record has no time of completion.
    #[error(
        "the backup of backing image {name:?} is not complete: it is being made, or died; let it end, make it again, or \
         delete it"
    )]
    BackingImageInProgress { name: String },

    #[error("cannot read {path}: {why}")]
    Unreadable { path: String, why: String },

    #[error(
        "the backup holds only what differs from backing image {image:?}, so its files can't be seen without it; restore it \
         to a volume, and look there"
    )]
    OnBackingImage { image: String },

    /// Its record has no time of completion.
    #[error(
        "backup {backup:?} is not complete: it is being made, or died; let it end, make it again under the same name, or \
         delete it"
    )]
    InProgress { backup: String },

    #[error("backup {backup:?} is there already, of snapshot {snapshot:?}; choose another name")]
    Exists { backup: String, snapshot: String },

    #[error(
        "backup {backup:?} is there already, of an earlier snapshot that had the name {snapshot:?}; choose another name"
    )]
    ExistsOfEarlier { backup: String, snapshot: String },

    /// Its record has another time of completion.
    #[error("backup {backup:?} was deleted and made again meanwhile; nothing of it was restored; try again")]
    Replaced { backup: String },

    #[error(
        "{volume:?} is in use: {holder} holds a lock in this backup target; it ends with that, or {lifetime_seconds} s after \
         its owner died; try again then"
    )]
    Locked { volume: String, holder: String, lifetime_seconds: u64 },

    #[error(
        "the lock of {volume:?} could not be renewed in time ({why}), so others may have changed the backup volume; \
         nothing was finished; try again"
    )]
    LockLost { volume: String, why: String },

    #[error("{path} in the backup target is damaged: {why}")]
    Damaged { path: String, why: String },

    #[error(
        "block {checksum} of {volume:?} is missing in the backup target; data of this backup is lost there; the next backup \
         of the volume in full mode stores it again if the volume still has it"
    )]
    BlockMissing { volume: String, checksum: String },

    #[error("block {path} does not hold what its name says ({why}); the store, or the way to it, changed its bytes")]
    BlockDamaged { path: String, why: String },

    #[error(
        "the labels of the backup have {bytes} bytes, and at most {maximum} are kept; shorten them or leave some out"
    )]
    Labels { bytes: usize, maximum: usize },

    #[error("a backup with blocks of {block_size} bytes is not possible: {why}")]
    BlockSize { block_size: u64, why: String },

    /// Backups of Longhorn before 0.8 are single files.
    #[error(
        "backup {backup:?} is a single file of an early Longhorn, which cannot be read here; restore it with Longhorn"
    )]
    SingleFile { backup: String },

    #[error(transparent)]
    Image(#[from] ExportError),

    #[error(transparent)]
    Backing(#[from] BackingError),

    #[error("{what} stopped at an internal error: {why}; report it")]
    Internal { what: &'static str, why: String },
}

impl BackupError {
    /// Whether the same call may succeed a little later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::LockLost { .. } | Self::Replaced { .. } => true,
            Self::Store(error) => error.kind().is_transient(),
            _ => false,
        }
    }

    /// Whether what was asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NoVolume { .. } | Self::NoBackup { .. } | Self::NoBackingImage { .. })
    }
}
