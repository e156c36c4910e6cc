//! Disk images in other programs' formats: qcow2 read as the base of a volume, raw and qcow2 written by an export.
//!
//! | file | holds |
//! |---|---|
//! | [`qcow2`] | a reader: header, tables, compressed clusters. The file is not trusted |
//! | [`export`](mod@export) | the way of an export: read, hash and write at the same time, then rename into place |
//! | `output` | the file an export writes, under its temporary name |
//! | `raw_output`, `qcow2_output` | how data becomes one format or the other |
//! | `content_hash` | SHA-256 of a volume, holes included |

mod content_hash;
mod error;
mod export;
mod output;
pub(crate) mod qcow2;
mod qcow2_output;
mod raw_output;

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str::FromStr;

pub use error::{ExportError, ImageError};
pub use export::{ExportOptions, Exported, ImageSource, SourceError, export};

pub(crate) use raw_output::runs_with_data;

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

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "raw" => Ok(Self::Raw),
            "qcow2" => Ok(Self::Qcow2),
            other => Err(format!("{other:?} is no image format; choose raw or qcow2")),
        }
    }
}
