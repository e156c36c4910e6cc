//! What can go wrong with a backing image.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::backing::BackingError;
use crate::backup::BackupError;
use crate::image_format::ExportError;
use crate::instance::disk::DiskError;

/// Why an image is not there.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("{0:?} is no name of a backing image: use lower-case letters, digits, '-', '_' and '.'")]
    Name(String),
    #[error("{0:?} is no UUID of a backing image: use letters and digits")]
    Uuid(String),
    #[error("the request does not say {0}")]
    Incomplete(&'static str),
    #[error("there is no backing image {0} here")]
    Missing(String),
    #[error("backing image {0} is being made; wait for its end, or delete it")]
    Busy(String),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("cannot {what} {}: no space left on device; free space there, or choose another disk", path.display())]
    NoSpace { what: &'static str, path: PathBuf },
    #[error("it has {wanted} bytes and {} has only {available} free; free space there, or choose another disk", path.display())]
    TooLarge { wanted: u64, available: u64, path: PathBuf },
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "its content has the SHA-512 {found}, and {expected} is expected; it is not the image that was meant, or was changed on its way"
    )]
    Checksum { found: String, expected: String },
    #[error("it is empty; a volume can't stand on nothing")]
    Empty,
    #[error("no volume can stand on it: {0}")]
    Unusable(#[from] BackingError),
    #[error("{0}")]
    Source(String),
    #[error("{0}")]
    Export(ExportError),
    #[error("{told} bytes were announced and {found} came; send all of them again")]
    Length { told: u64, found: u64 },
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("it was given up before its end")]
    GivenUp,
}

impl ImageError {
    /// Makes the error of a call on `path`.
    pub(super) fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::NoSpace { what, path },
            _ => Self::Io { what, path, source },
        }
    }
}

impl From<ExportError> for ImageError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoSpace { what, path } => Self::NoSpace { what, path },
            ExportError::Source(why) => Self::Source(why.to_string()),
            other => Self::Export(other),
        }
    }
}
