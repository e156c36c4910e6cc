//! Making a new, empty replica directory.

use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::directory::Directory;
use super::error::ReplicaError;
use super::metadata::{LayerMeta, VolumeMeta};
use super::names;
use super::revision_counter::RevisionCounter;
use super::{OpenOptions, Replica};
use crate::backing::{self, BackingFile};
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::disk::image::ImageFile;

impl Replica {
    /// Makes an empty replica of `size` bytes (a multiple of 4096) in `dir`, which is made too if it is missing (its
    /// parent must exist). `volume.meta` is written last: a crash before that leaves nothing that counts as a replica.
    ///
    /// # Errors
    /// [`ReplicaError::AlreadyExists`] where a replica, or images with data, are there; nothing is touched then.
    pub fn create(dir: &Path, size: u64, options: OpenOptions) -> Result<(), ReplicaError> {
        Self::create_on(dir, size, None, options)
    }

    /// Like [`Replica::create`]; the new replica reads as `backing_file`, a raw or qcow2 image (or a directory that
    /// holds nothing else), and as zeros past its end.
    ///
    /// # Errors
    /// As [`Replica::create`], and [`ReplicaError::Backing`] where the backing file cannot be used; nothing is touched
    /// then.
    pub fn create_on(
        dir: &Path,
        size: u64,
        backing_file: Option<&Path>,
        options: OpenOptions,
    ) -> Result<(), ReplicaError> {
        check_size(size)?;
        let mut volume = VolumeMeta::new(size, names::FIRST_HEAD);
        if let Some(given) = backing_file {
            BackingFile::open(given, size)?;
            volume.backing_file_path = backing::recorded_path(given)?;
        }
        Directory::make(dir)?;
        let directory = Directory::take(dir)?;
        directory.check_block_size()?;
        clear_interrupted_creation(&directory)?;
        if options.revision_counter {
            RevisionCounter::create(&directory)?;
            crash_point::reached("create.counter-made");
        }
        let head = names::FIRST_HEAD;
        ImageFile::create(&directory.file(head), size)?;
        crash_point::reached("create.head-made");
        let meta = names::meta_of(head);
        directory.replace(&meta, &LayerMeta::head(head, "", &now()).encode(&meta)?, 0o644)?;
        crash_point::reached("create.head-described");
        directory.replace(names::VOLUME_META, &volume.encode()?, 0o644)?;
        crash_point::reached("create.committed");
        Ok(())
    }

    /// Whether `dir` holds a replica.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        dir.join(names::VOLUME_META).exists()
    }
}

pub(super) fn check_size(size: u64) -> Result<(), ReplicaError> {
    if size == 0 {
        return Err(ReplicaError::InvalidSize { size, why: "it holds nothing; choose a larger size" });
    }
    if !size.is_multiple_of(BLOCK_SIZE) {
        return Err(ReplicaError::InvalidSize { size, why: "a size is a multiple of 4096 bytes; round it up" });
    }
    if i64::try_from(size).is_err() {
        return Err(ReplicaError::InvalidSize { size, why: "no file can be that large; choose a smaller size" });
    }
    Ok(())
}

/// Removes what an interrupted creation left. Anything that may hold data stops the creation instead.
fn clear_interrupted_creation(directory: &Directory) -> Result<(), ReplicaError> {
    let refuse = |why: String| ReplicaError::AlreadyExists { dir: directory.path().to_path_buf(), why };
    let listing = directory.list()?;
    if listing.iter().any(|file| file == names::VOLUME_META) {
        return Err(refuse("a replica is already there; open it, or delete it first".to_owned()));
    }
    for file in listing.iter().filter(|file| file.ends_with(".img")) {
        let allocated = directory.identity(file)?.map_or(0, |identity| identity.allocated_bytes);
        if file != names::FIRST_HEAD || allocated > 0 {
            let why = format!(
                "{file} is there without volume.meta and may hold data; open the replica, or move the file away"
            );
            return Err(refuse(why));
        }
    }
    directory.remove_layer(names::FIRST_HEAD)
}

/// Now, as Longhorn writes times: RFC 3339, UTC, whole seconds.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    // Formatting fails only for years beyond 9999.
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}
