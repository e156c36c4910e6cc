//! Disk images in other programs' formats.
//!
//! | file | holds |
//! |---|---|
//! | [`qcow2`] | a reader: header, tables, compressed clusters. The file is not trusted |

mod error;
pub(crate) mod qcow2;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use error::ImageError;

use crate::disk::DiskError;

/// The formats of Longhorn's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The content, byte for byte.
    Raw,
    /// QEMU's copy-on-write format (docs/interop/qcow2.txt in QEMU's sources).
    Qcow2,
}

impl Format {
    /// Which format `file` has, by its first bytes, as QEMU decides it: what is not qcow2 is raw.
    pub(crate) fn probe(file: &File, path: &Path) -> Result<Self, DiskError> {
        let mut magic = [0; qcow2::MAGIC.len()];
        match file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == qcow2::MAGIC => Ok(Self::Qcow2),
            Ok(()) => Ok(Self::Raw),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Self::Raw),
            Err(error) => Err(DiskError::at("read", path)(error)),
        }
    }
}
