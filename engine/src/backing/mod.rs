//! The file under all layers of a volume, if it has one: an image in raw or qcow2 format that is only read.
//!
//! Facts (formats.md §8): it is layer 1 of the chain, lies outside the replica's directory, is shared by every volume
//! made from it, and is no snapshot. `volume.meta` names it, or a directory that holds nothing else.
//!
//! Invariants:
//! - It answers for every block that no layer holds, and for no other: a block written, zeroed or rebuilt in a layer
//!   hides it, a discarded one shows it again. It is never asked which of its blocks have data.
//! - What lies past its end, up to the volume's, reads as zeros.
//! - It is never written to, and the volume is at least as large.

mod location;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::disk::image::ImageFile;
use crate::disk::{BLOCK_SIZE, DiskError};
use crate::image_format::qcow2::Qcow2Image;
use crate::image_format::{Format, ImageError};

/// Sizes of images and of their volumes come in units of this many bytes.
const SECTOR_SIZE: u64 = 512;

/// Why a backing file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackingError {
    #[error("cannot {what} backing file {}: {source}; put the image back, or give the path where it is now", path.display())]
    Missing {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },

    #[error("the directory {} must hold exactly one file, the backing file, and holds {count}; name the file itself", path.display())]
    NotOneFile { path: PathBuf, count: usize },

    #[error("backing file {} is neither a file nor a directory with one; name an image file", path.display())]
    NotAFile { path: PathBuf },

    #[error("the path {} of the backing file cannot be recorded, which takes UTF-8; rename it", path.display())]
    Name { path: PathBuf },

    #[error("backing file {} holds {size} bytes, which is not a multiple of 512; pad it with zeros (truncate --size=%512)", path.display())]
    PartialSector { path: PathBuf, size: u64 },

    #[error("backing file {} holds {size} bytes and the volume only {volume_size}; make the volume at least as large", path.display())]
    LargerThanVolume { path: PathBuf, size: u64, volume_size: u64 },

    #[error("cannot use the backing file: {0}")]
    Image(#[from] ImageError),
}

/// An open backing file. Threads may share it.
#[derive(Debug)]
pub(crate) struct BackingFile {
    content: Content,
    size: u64,
}

#[derive(Debug)]
enum Content {
    Raw(ImageFile),
    Qcow2(Box<Qcow2Image>),
}

impl BackingFile {
    /// Opens what is at `path` (the file, or a directory that holds only it) for a volume of `volume_size` bytes.
    /// Its first bytes decide about the format.
    pub(crate) fn open(path: &Path, volume_size: u64) -> Result<Self, BackingError> {
        let path = location::image_at(path)?;
        let file = File::open(&path).map_err(location::missing("open", &path))?;
        let content = match Format::probe(&file, &path)? {
            Format::Raw => Content::Raw(ImageFile::open_backing(&path)?),
            Format::Qcow2 => Content::Qcow2(Box::new(Qcow2Image::open(file, &path)?)),
        };
        let size = match &content {
            Content::Raw(image) => image.size()?,
            Content::Qcow2(image) => image.size(),
        };
        if !size.is_multiple_of(SECTOR_SIZE) {
            return Err(BackingError::PartialSector { path, size });
        }
        if size > volume_size {
            return Err(BackingError::LargerThanVolume { path, size, volume_size });
        }
        Ok(Self { content, size })
    }

    /// Bytes of its content.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn format(&self) -> Format {
        match self.content {
            Content::Raw(_) => Format::Raw,
            Content::Qcow2(_) => Format::Qcow2,
        }
    }

    /// Blocks of the volume, from its start, for which the file has content; the last one perhaps in part.
    pub(crate) fn blocks(&self) -> u64 {
        self.size.div_ceil(BLOCK_SIZE)
    }

    /// Fills `blocks` from `offset` on; both are whole blocks of the volume, in aligned memory.
    pub(crate) fn read_blocks(&self, offset: u64, blocks: &mut [u8]) -> Result<(), BackingError> {
        match &self.content {
            Content::Raw(image) => Ok(image.read_blocks(offset, blocks)?),
            Content::Qcow2(image) => Ok(image.read(offset, blocks)?),
        }
    }
}

/// Bytes of content of the image at `path`, if volumes can stand on it.
pub(crate) fn content_size(path: &Path) -> Result<u64, BackingError> {
    Ok(BackingFile::open(path, u64::MAX)?.size())
}

/// The text that `volume.meta` records for a path that was given: absolute, links not followed.
pub(crate) fn recorded_path(given: &Path) -> Result<String, BackingError> {
    let absolute = std::path::absolute(given).map_err(location::missing("find", given))?;
    absolute.into_os_string().into_string().map_err(|path| BackingError::Name { path: path.into() })
}

impl From<DiskError> for BackingError {
    fn from(error: DiskError) -> Self {
        Self::Image(error.into())
    }
}
