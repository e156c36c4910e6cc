//! The file of the log: replaced as a whole, or written page by page in its place.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::bits::Bits;
use super::format::{self, MetaMark, MetaMarks, PAGE};
use crate::disk::AlignedBuf;
use crate::disk::image::{Access, ImageFile};
use crate::replica::ReplicaError;
use crate::replica::directory::Directory;
use crate::replica::names;
use crate::replica::replace::ReplaceError;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    image: Arc<ImageFile>,
}

/// The dirty regions of a directory, if they can be trusted.
pub(super) fn load(directory: &Directory, volume_size: u64) -> Option<Bits> {
    let in_force = marks_of(directory)[0]?;
    let content = directory.read(names::REGIONS_FILE).ok().flatten()?;
    format::decode(&content, volume_size, in_force)
}

/// Of the `volume.meta` that is in force, and of the one that is prepared to take its place.
pub(super) fn marks_of(directory: &Directory) -> MetaMarks {
    let mark = |name: &str| {
        let facts = std::fs::symlink_metadata(directory.file(name)).ok().filter(std::fs::Metadata::is_file)?;
        let written = facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec());
        Some(MetaMark { inode: facts.ino(), written })
    };
    [mark(names::VOLUME_META), mark(&names::tmp_of(names::VOLUME_META))]
}

impl LogFile {
    /// Puts a new file in place, durably.
    pub(super) fn replace(
        directory: &Directory,
        volume_size: u64,
        marks: &MetaMarks,
        dirty: &Bits,
    ) -> Result<Self, ReplicaError> {
        let content = format::encode(volume_size, marks, dirty);
        let prepared = directory.prepare(names::REGIONS_FILE, &content, 0o600)?;
        // Before it is in place: a log that cannot be written to must not be.
        let image = ImageFile::open(&directory.file(&names::tmp_of(names::REGIONS_FILE)), Access::ReadWrite)?;
        match prepared.commit() {
            // Which of the two a power cut leaves is not known then. Either is right: the old one is about another
            // `volume.meta` or says of more regions that they are dirty, the new one is written to from now on.
            Ok(()) | Err(ReplaceError::Unknown(_)) => {}
            Err(error @ ReplaceError::NotReplaced(_)) => return Err(error.into()),
        }
        let named = ImageFile::open(&directory.file(names::REGIONS_FILE), Access::ReadWrite);
        Ok(Self { image: Arc::new(named.unwrap_or(image)) })
    }

    /// Says under which `volume.meta` the log is kept, durably.
    pub(super) fn bind(&self, volume_size: u64, marks: &MetaMarks) -> Result<(), ReplicaError> {
        self.write_page(0, &format::header(volume_size, marks))?;
        Ok(self.image.sync_data()?)
    }

    /// Writes the pages in which `new` differs from `old`, which the file holds, durably.
    pub(super) fn store(&self, old: &Bits, new: &Bits) -> Result<(), ReplicaError> {
        let differs = |number: &usize| format::words_of(*number, old.words()) != format::words_of(*number, new.words());
        let mut any = false;
        for number in (1..=format::page_count(new)).filter(differs) {
            self.write_page(number, &format::page(number, new))?;
            any = true;
        }
        if any {
            self.image.sync_data()?;
        }
        Ok(())
    }

    fn write_page(&self, number: usize, page: &[u8]) -> Result<(), ReplicaError> {
        Ok(self.image.write_blocks((number * PAGE) as u64, AlignedBuf::copy_of(page).padded())?)
    }
}
