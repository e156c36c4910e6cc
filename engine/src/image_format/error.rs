//! What can be wrong with an image that is read.

use std::path::PathBuf;

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
