//! What can be wrong with an image that is read, and with an export.

use std::path::PathBuf;

use nix::libc;

use super::export::SourceError;
use crate::disk::DiskError;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    #[error("qcow2 image {} is damaged: {why}; replace it by a good copy (qemu-img check tells more)", path.display())]
    Damaged { path: PathBuf, why: String },

    #[error("qcow2 image {} cannot be used: {why}; make one that can be with: qemu-img convert -O qcow2 <this> <new>", path.display())]
    Unsupported { path: PathBuf, why: String },

    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why an export ended without a file. Nothing is left under the name that was asked for, except what was there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    #[error("{} is there already; choose another name, or overwrite it with --force", path.display())]
    Exists { path: PathBuf },

    #[error("{} is not a regular file and cannot be replaced by an image; choose another name", path.display())]
    NotAFile { path: PathBuf },

    #[error("another export is writing {}; wait for its end, or choose another name", path.display())]
    InUse { path: PathBuf },

    #[error("{} names no file; say where the image should go", path.display())]
    NoName { path: PathBuf },

    #[error("cannot {what} {}: no space left on device; free space there or choose another place", path.display())]
    NoSpace { what: &'static str, path: PathBuf },

    #[error(
        "a volume of {size} bytes does not fit into a qcow2 image, whose size is a multiple of 512; export it as raw"
    )]
    Size { size: u64 },

    #[error("cannot read the volume: {0}")]
    Source(#[source] SourceError),

    #[error("the export was cancelled")]
    Cancelled,

    #[error("the export stopped at an internal error: {0}; report it")]
    Internal(&'static str),

    #[error(transparent)]
    Disk(DiskError),
}

impl From<DiskError> for ExportError {
    fn from(error: DiskError) -> Self {
        match error.source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::NoSpace { what: error.what, path: error.path },
            _ => Self::Disk(error),
        }
    }
}
