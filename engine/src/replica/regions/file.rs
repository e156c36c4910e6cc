//! The file of the log: replaced as a whole, or written page by page in its place.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::content::Content;
use super::format::{self, About, MetaMark, MetaMarks, PAGE};
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

/// The log of a directory, if it can be trusted.
pub(super) fn load(directory: &Directory, about: &About) -> Option<Content> {
    let in_force = marks_of(directory)[0]?;
    let content = directory.read(names::REGIONS_FILE).ok().flatten()?;
    format::decode(&content, about, in_force)
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
    /// Puts a new file in place, durably. The one before must not be bound to the `volume.meta` that is in force.
    pub(super) fn replace(
        directory: &Directory,
        about: &About,
        marks: &MetaMarks,
        content: &Content,
    ) -> Result<Self, ReplicaError> {
        let prepared = directory.prepare(names::REGIONS_FILE, &format::encode(about, marks, content), 0o600)?;
        // Before it is in place: a log that cannot be written to must not be.
        let image = ImageFile::open(&directory.file(&names::tmp_of(names::REGIONS_FILE)), Access::ReadWrite)?;
        match prepared.commit() {
            // Which of the two a power cut leaves is not known then. Either is right: the old one is bound to no `volume.meta`
            // that is in force, and the new one is written to from now on.
            Ok(()) | Err(ReplaceError::Unknown(_)) => {}
            Err(error @ ReplaceError::NotReplaced(_)) => return Err(error.into()),
        }
        let named = ImageFile::open(&directory.file(names::REGIONS_FILE), Access::ReadWrite);
        Ok(Self { image: Arc::new(named.unwrap_or(image)) })
    }

    /// Says under which `volume.meta` the log is kept, durably, and of which absent replicas it tells what they miss.
    pub(super) fn bind(&self, about: &About, marks: &MetaMarks, content: &Content) -> Result<(), ReplicaError> {
        self.write_page(0, &format::header(about, marks, content))?;
        Ok(self.image.sync_data()?)
    }

    /// Writes the pages in which `new` differs from `old`, which has the same sets and is in the file, durably.
    pub(super) fn store(&self, old: &Content, new: &Content) -> Result<(), ReplicaError> {
        let mut any = false;
        for ((first, new), old) in format::first_pages(new).zip(old.sets()) {
            for number in 1..=format::page_count(new) {
                if format::words_of(number, old.words()) != format::words_of(number, new.words()) {
                    let place = first + number - 1;
                    self.write_page(place, &format::page(place, number, new))?;
                    any = true;
                }
            }
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
