//! A layer of a replica directory that nobody serves.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use crate::disk::AlignedBuf;
use crate::image_format::ImageSource;
use crate::offline::{LayerReader, OfflineError, Structure, Survey, Wanted};

use super::super::cache::ReadAt;

/// The head, or one snapshot, of the replica in a directory. The directory is locked against replicas meanwhile.
pub struct ReplicaSource {
    layer: RefCell<LayerReader>,
    _survey: Survey,
}

impl ReplicaSource {
    /// # Errors
    /// There is no replica, it is in use, or the layer can't be read.
    pub fn open(directory: &Path, wanted: &Wanted) -> Result<Self, OfflineError> {
        let survey = Survey::of(directory)?;
        let structure = Structure::of(&survey);
        let layer = LayerReader::open(&survey, &structure, wanted)?;
        Ok(Self { layer: RefCell::new(layer), _survey: survey })
    }
}

impl ReadAt for ReplicaSource {
    fn size(&self) -> u64 {
        self.layer.borrow().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // The images are read past the page cache, which takes memory at certain places only.
        let mut aligned = AlignedBuf::zeroed(buffer.len());
        self.layer.borrow_mut().read(offset, &mut aligned).map_err(io::Error::other)?;
        buffer.copy_from_slice(&aligned);
        Ok(())
    }
}
