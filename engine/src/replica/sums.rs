//! The checksums of a directory's images (`disk::sums`): which files they are in, and when they count.
//!
//! `aurochs.sums.<inode>.<birth>` holds those of the image with this inode number and time of birth (nanoseconds since 1970).
//! So an image keeps them under every name that it gets, and a copy, or another file of its name, has none. A file system that
//! tells no time of birth has none at all.
//!
//! Invariants:
//! - **What is on the disk is right, but for the regions that are dirty in the log** (`regions`): a power cut keeps any part
//!   of what was written to an image and to its sums. An open forgets all sums of those regions, in all images, before
//!   anything is read; and a region becomes clean only when all sums that have changed are durable.
//! - **A log that cannot be trusted says that everything is dirty**: somebody else may have written to the images. Then nothing
//!   is known of any of them.
//! - **A layer that is changed past the log** (a purge merges another one into it) has its sums under a name with `.changing`
//!   behind it, durably, from before its first change until data and sums are durable again. An open removes such a file.
//! - What a purge punches needs none of this: a hole has no sums, and nothing else is ever written there past the log.
//! - While a replica is rebuilt, its log is not trusted; an image that is filled becomes one only when its sums are durable.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::UNIX_EPOCH;

use super::directory::Directory;
use super::names;
use super::{Replica, ReplicaError};
use crate::disk::image::{Access, ImageFile};
use crate::disk::sums::{Renamed, Sums, Unsynced};
use crate::disk::{BLOCK_SIZE, DiskError};
use crate::{crash_point, rule};

/// What tells an image from every other file that its file system ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ImageId {
    inode: u64,
    /// Nanoseconds since 1970.
    birth: u64,
}

impl ImageId {
    /// `None` where the file system does not tell.
    fn of(facts: &Metadata) -> Option<Self> {
        let birth = facts.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { inode: facts.ino(), birth: u64::try_from(birth.as_nanos()).ok()? })
    }

    fn file_name(self) -> String {
        format!("{}{}.{}", names::SUMS_PREFIX, self.inode, self.birth)
    }

    /// Of a file of sums, and whether its image was being changed.
    fn parse(file: &str) -> Option<(Self, bool)> {
        let name = file.strip_prefix(names::SUMS_PREFIX)?;
        let settled = name.strip_suffix(names::CHANGING_SUFFIX);
        let (inode, birth) = settled.unwrap_or(name).split_once('.')?;
        Some((Self { inode: inode.parse().ok()?, birth: birth.parse().ok()? }, settled.is_some()))
    }
}

/// Those of one open directory.
#[derive(Debug, Default)]
pub(crate) struct DirectorySums {
    known: Mutex<BTreeMap<ImageId, Weak<Sums>>>,
    unsynced: Arc<Unsynced>,
    /// One sync at a time: whoever comes second may rely on what the first one does.
    syncing: Mutex<()>,
}

impl DirectorySums {
    fn of(&self, directory: &Directory, id: ImageId, size: u64) -> Arc<Sums> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sums) = known.get(&id).and_then(Weak::upgrade) {
            return sums;
        }
        known.retain(|_, sums| sums.strong_count() > 0);
        let path = directory.file(&id.file_name());
        let sums = Arc::new(Sums::at(path, size.div_ceil(BLOCK_SIZE), Arc::clone(&self.unsynced)));
        known.insert(id, Arc::downgrade(&sums));
        sums
    }

    fn lock_syncing(&self) -> MutexGuard<'_, ()> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Opens an image; with its checksums, where the directory keeps any.
    pub(crate) fn open_image(&self, name: &str, access: Access) -> Result<ImageFile, DiskError> {
        self.with_sums(ImageFile::open(&self.file(name), access)?)
    }

    /// As [`ImageFile::create`], with checksums.
    pub(crate) fn create_image(&self, name: &str, size: u64) -> Result<ImageFile, DiskError> {
        self.with_sums(ImageFile::create(&self.file(name), size)?)
    }

    fn with_sums(&self, image: ImageFile) -> Result<ImageFile, DiskError> {
        let Some(sums) = self.sums() else { return Ok(image) };
        let facts = image.stat()?;
        let found = ImageId::of(&facts).map(|id| sums.of(self, id, facts.size()));
        Ok(image.with_sums(found))
    }

    /// Of a directory that is being opened and is marked as dirty: what may be wrong is forgotten. `dirty` are ranges of bytes
    /// of the volume; `None`: everything. Nothing has been read before this.
    ///
    /// # Errors
    /// The disk refused it: nothing may be read, or the directory has to be opened without checksums.
    pub(super) fn begin_sums(&self, dirty: Option<&[Range<u64>]>) -> Result<(), ReplicaError> {
        let listing = self.list()?;
        let files = || listing.iter().filter_map(|file| Some((file, ImageId::parse(file)?)));
        if files().next().is_none() {
            return Ok(());
        }
        let images = self.images(&listing);
        let mut removed = false;
        for (file, (id, was_changing)) in files() {
            let forgotten = rule::is_left_out(rule::DIRTY_IS_NOT_KNOWN);
            let kept = match (dirty, images.get(&id), self.sums()) {
                _ if was_changing => false,
                (_, Some(size), Some(sums)) if forgotten => {
                    sums.of(self, id, *size);
                    true
                }
                (Some(dirty), Some(size), Some(sums)) => {
                    let sums = sums.of(self, id, *size);
                    dirty.iter().for_each(|range| forget(&sums, range, *size));
                    !sums.is_lost()
                }
                _ => false,
            };
            if !kept {
                self.remove(file)?;
                removed = true;
            }
        }
        if removed { self.sync() } else { Ok(()) }
    }

    /// The images that are there, with their sizes in bytes.
    fn images(&self, listing: &[String]) -> BTreeMap<ImageId, u64> {
        let names = listing.iter().filter(|file| names::is_layer(file));
        let facts = names.filter_map(|name| std::fs::symlink_metadata(self.file(name)).ok());
        facts.filter_map(|facts| Some((ImageId::of(&facts)?, facts.size()))).collect()
    }

    /// Makes every sum durable that has been taken down, or has its file removed, durably.
    ///
    /// # Errors
    /// A file of sums that is not right could not be removed.
    pub(super) fn sync_sums(&self) -> Result<(), ReplicaError> {
        let Some(sums) = self.sums() else { return Ok(()) };
        let _one_at_a_time = sums.lock_syncing();
        let (mut removed, mut outcome) = (false, Ok(()));
        // All of them, also after a failure: those that are left are not looked at again.
        for changed in sums.unsynced.take() {
            if changed.sync() {
                continue;
            }
            let path = changed.path();
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    changed.note_unsynced();
                    outcome = Err(DiskError::at("remove the checksums", &path)(error).into());
                }
                _ => removed = true,
            }
        }
        crash_point::reached("sums.synced");
        let names = if removed { self.sync() } else { Ok(()) };
        outcome.and(names)
    }

    /// From here on, and until [`Directory::end_of_change`], the image is changed past the log: its sums do not count for an
    /// open that finds them. Durable when this returns.
    ///
    /// # Errors
    /// The disk did not confirm: the image must not be changed.
    pub(super) fn begin_change(&self, image: &ImageFile) -> Result<(), ReplicaError> {
        let Some(sums) = image.sums() else { return Ok(()) };
        let Some(id) = ImageId::of(&image.stat()?) else { return Ok(()) };
        let file = self.file(&id.file_name());
        if sums.rename(&self.file(&format!("{}{}", id.file_name(), names::CHANGING_SUFFIX)))? == Renamed::Lost
            && let Err(error) = std::fs::remove_file(&file)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(DiskError::at("remove the checksums", &file)(error).into());
        }
        self.sync()?;
        crash_point::reached("sums.set-aside");
        Ok(())
    }

    /// Data of the image is durable: now its sums are too, and count again.
    ///
    /// # Errors
    /// As for [`Directory::sync_sums`]. The sums count for nobody then.
    pub(super) fn end_of_change(&self, image: &ImageFile) -> Result<(), ReplicaError> {
        let Some(sums) = image.sums() else { return Ok(()) };
        let Some(id) = ImageId::of(&image.stat()?) else { return Ok(()) };
        if sums.sync() {
            sums.rename(&self.file(&id.file_name()))?;
            self.sync()?;
        }
        crash_point::reached("sums.back");
        Ok(())
    }

    /// Removes the sums of an image that has lost its last name.
    pub(super) fn forget_image(&self, facts: &Metadata) {
        let Some(id) = ImageId::of(facts) else { return };
        for file in [id.file_name(), format!("{}{}", id.file_name(), names::CHANGING_SUFFIX)] {
            // What stays belongs to no image: the next open removes it.
            let _ = std::fs::remove_file(self.file(&file));
        }
    }
}

/// Forgets a range of the volume, as far as the image reaches.
fn forget(sums: &Arc<Sums>, range: &Range<u64>, size: u64) {
    let end = range.end.min(size);
    if range.start < end {
        sums.forget(range.start, end - range.start);
    }
}

impl Replica {
    /// Comes before a region becomes clean, and after all data is durable.
    pub(super) fn sync_sums(&self) -> Result<(), ReplicaError> {
        if rule::is_left_out(rule::SUMS_BEFORE_CLEAN) {
            return Ok(());
        }
        self.directory.sync_sums()
    }
}

/// Whether a file has the name of the sums of some image.
pub(crate) fn is_file_of_sums(file: &str) -> bool {
    ImageId::parse(file).is_some()
}
