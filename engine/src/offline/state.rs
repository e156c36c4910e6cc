//! The small files that belong to no layer.

use super::layer::reason;
use super::survey::VolumeFacts;
use crate::image_format::Format;
use crate::replica::FenceState;
use crate::replica::directory::Directory;
use crate::replica::names;
use crate::replica::open::open_backing;
use crate::replica::revision_counter::RevisionCounter;

/// A file that may be there, and may be readable.
#[derive(Clone, Debug)]
pub(crate) enum Content<T> {
    Absent,
    Unreadable { why: String },
    Read(T),
}

impl<T> Content<T> {
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            _ => None,
        }
    }

    fn of(outcome: Result<T, crate::replica::ReplicaError>) -> Self {
        outcome.map_or_else(|error| Self::Unreadable { why: reason(&error) }, Self::Read)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SmallFiles {
    pub(crate) revision_counter: Content<u64>,
    /// Absent in a directory that no engine of ours has served.
    pub(crate) fence: Content<FenceState>,
    pub(crate) backing_file: Content<BackingFacts>,
}

/// The file under all layers.
#[derive(Clone, Debug)]
pub(crate) struct BackingFacts {
    pub(crate) format: Format,
    /// Bytes of its content.
    pub(crate) size: u64,
}

impl SmallFiles {
    pub(crate) fn read(directory: &Directory, listing: &[String], volume: &VolumeFacts) -> Self {
        let has = |name: &str| listing.iter().any(|file| file == name);
        let revision_counter = if has(names::REVISION_COUNTER) {
            Content::of(RevisionCounter::load(directory).map(|counter| counter.get()))
        } else {
            Content::Absent
        };
        let dirty = volume.meta().is_some_and(|meta| meta.dirty);
        let fence =
            if has(names::STATE_FILE) { Content::of(FenceState::load(directory, dirty)) } else { Content::Absent };
        let backing_file = volume.meta().map_or(Content::Absent, |meta| backing(&meta.backing_file_path, meta.size));
        Self { revision_counter, fence, backing_file }
    }
}

fn backing(recorded: &str, volume_size: u64) -> Content<BackingFacts> {
    match open_backing(recorded, volume_size) {
        Ok(None) => Content::Absent,
        Ok(Some(file)) => Content::Read(BackingFacts { format: file.format(), size: file.size() }),
        Err(error) => Content::Unreadable { why: reason(&error) },
    }
}
