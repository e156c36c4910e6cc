//! The replica directories of a disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{DiskError, REPLICAS, configuration, is_plain};

/// Without it a directory is none of a replica's.
const VOLUME_META: &str = "volume.meta";

/// Directories that are told of although they have no name to speak of.
const UNNAMED_MAXIMUM: usize = 16;

/// The directories that hold a replica.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Sums of allocated bytes by name; what can't be read counts as empty.
    pub(super) sizes: BTreeMap<String, u64>,
    /// Names, as Rust writes them, that are no text or have control characters in them: nobody could call such a
    /// directory by what is told of it, and a line break in a name would forge lines of logs. The first ones.
    pub(super) unnamed: Vec<String>,
}

pub(super) fn held(replicas: &Path) -> Held {
    let entries = fs::read_dir(replicas).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut held = Held::default();
    for entry in directories.filter(|entry| entry.path().join(VOLUME_META).is_file()) {
        match entry.file_name().to_str() {
            Some(name) if !name.contains(char::is_control) => {
                held.sizes.insert(name.to_owned(), allocated(&entry.path()));
            }
            _ => held.unnamed.push(format!("{:?}", entry.file_name())),
        }
    }
    // A directory tells its files in any order; what is told again should read the same.
    held.unnamed.sort_unstable();
    held.unnamed.truncate(UNNAMED_MAXIMUM);
    held
}

fn allocated(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    // st_blocks counts units of 512 bytes whatever the file system.
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}

/// Whether the disk that `directory` is a replica of is the wished one. An empty wish takes any.
///
/// # Errors
/// [`DiskError::OtherDisk`] when it is another one, or none.
pub fn check_holder(directory: &Path, disk_uuid: &str) -> Result<(), DiskError> {
    if disk_uuid.is_empty() {
        return Ok(());
    }
    let disk = disk_of(directory)?;
    match configuration::read(disk)? {
        Some(found) if found == disk_uuid => Ok(()),
        found => Err(DiskError::OtherDisk { path: disk.to_owned(), wanted: disk_uuid.to_owned(), found }),
    }
}

fn disk_of(directory: &Path) -> Result<&Path, DiskError> {
    let replicas = directory.parent().filter(|parent| parent.file_name() == Some(REPLICAS.as_ref()));
    let disk = replicas.and_then(Path::parent).filter(|_| is_plain(directory));
    disk.ok_or_else(|| DiskError::NotAReplica(directory.to_owned()))
}

/// Removes a replica's directory. Only directories below the `replicas` of the disk `disk_uuid` are touched; an empty
/// UUID takes any disk.
///
/// # Errors
/// The directory is none of a replica's, lies on another disk, is in use, or can't be removed.
pub fn delete_replica(directory: &Path, disk_uuid: &str) -> Result<(), DiskError> {
    disk_of(directory)?;
    check_holder(directory, disk_uuid)?;
    if !directory.exists() {
        return Ok(());
    }
    crate::replica::delete_directory(directory).map_err(|error| DiskError::Io {
        what: "delete",
        path: directory.to_owned(),
        source: io::Error::other(error.to_string()),
    })
}
