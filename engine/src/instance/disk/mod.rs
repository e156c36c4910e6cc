//! A node's disks: directories that hold `longhorn-disk.cfg` and `replicas/`.
//!
//! [`configuration`] ties a path to a disk, [`filesystem`] is what lies below, [`ability`] tries what replicas need,
//! [`replicas`] knows the directories within, [`looks`] keeps looks at a disk that hangs from piling up, [`devices`] finds
//! what lies below, and [`health`] asks that how it is.
//!
//! Invariant: a directory that is missing, or that has lost its configuration, is never made good in passing. An
//! unmounted disk leaves its empty mount point behind; a look that made a configuration there would turn the file system
//! below, mostly the root's, into a disk.

mod ability;
mod configuration;
mod devices;
mod filesystem;
mod health;
mod looks;
mod replicas;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::host;

pub use ability::Ability;
pub use health::{Health, HealthError};
pub use looks::Looks;
pub use replicas::{check_holder, delete_replica};

const REPLICAS: &str = "replicas";

/// Why a disk can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("cannot {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is damaged ({why}); put back the disk's own file, or remove it if the disk is new")]
    Configuration { path: PathBuf, why: String },
    #[error("{0} is no replica directory of a disk: it has to be <disk>/replicas/<name>")]
    NotAReplica(PathBuf),
    #[error("{0} is no absolute path without `..`")]
    NotAbsolute(PathBuf),
    #[error("there is no directory {0}; mount the disk there, or correct the path")]
    Missing(PathBuf),
    #[error("{0} is no directory")]
    NotADirectory(PathBuf),
    #[error("{path} can't be used as a disk: {source}; choose a directory of the node, as below /var/lib or /mnt")]
    NotOfTheNode { path: PathBuf, source: io::Error },
    #[error("{path} holds {}, and not the disk {wanted}; mount that one", found.as_deref().map_or_else(
        || "no disk".to_owned(), |found| format!("the disk {found}")))]
    OtherDisk { path: PathBuf, wanted: String, found: Option<String> },
    /// Without numbers: the text is stored, and must not change while nothing does.
    #[error("an earlier look at {0} has not ended: the disk hangs")]
    Hangs(PathBuf),
}

/// What a look may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Make {
    #[default]
    Nothing,
    /// The configuration, in a directory that is there: for a disk that was just added.
    Configuration,
    /// The directory too: for a place that the product chose itself.
    Directory,
}

/// What a disk is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Empty when the directory has no configuration.
    pub uuid: String,
    /// It had its configuration before this look.
    pub existed: bool,
    pub filesystem_type: String,
    /// Identity of the file system: disks that share it share their space.
    pub filesystem_id: String,
    pub mount_point: PathBuf,
    /// What is mounted there, as the mount table names it.
    pub device: PathBuf,
    pub read_only: bool,
    pub maximum_bytes: u64,
    /// What an ordinary user may still write.
    pub available_bytes: u64,
    /// The largest file that the file system can hold; 0 for unknown.
    pub maximum_file_bytes: u64,
    pub ability: Ability,
    /// Allocated bytes by replica directory name.
    pub replica_directories: BTreeMap<String, u64>,
    /// Replica directories whose names can't be told, as Rust writes them; the first ones.
    pub unnamed_directories: Vec<String>,
}

/// Looks at the disk at `path`.
///
/// # Errors
/// The path is no directory, or its configuration can't be read.
pub fn inspect(path: &Path, make: Make) -> Result<Disk, DiskError> {
    check_directory(path, make)?;
    let filesystem = filesystem::of(path)?;
    let found = configuration::read(path)?;
    let existed = found.is_some();
    let uuid = match found {
        Some(uuid) => Some(uuid),
        None if make == Make::Nothing || filesystem.read_only => None,
        None => Some(configuration::create(path)?),
    };
    if uuid.is_some() && make != Make::Nothing && !filesystem.read_only {
        make_directory(&path.join(REPLICAS))?;
    }
    let held = replicas::held(&path.join(REPLICAS));
    Ok(Disk {
        ability: ability::of(path, &filesystem),
        uuid: uuid.unwrap_or_default(),
        existed,
        filesystem_type: filesystem.kind,
        filesystem_id: filesystem.id,
        mount_point: filesystem.mount_point,
        device: filesystem.device,
        read_only: filesystem.read_only,
        maximum_bytes: filesystem.maximum_bytes,
        available_bytes: filesystem.available_bytes,
        maximum_file_bytes: filesystem.maximum_file_bytes,
        replica_directories: held.sizes,
        unnamed_directories: held.unnamed,
    })
}

fn check_directory(path: &Path, make: Make) -> Result<(), DiskError> {
    if !is_plain(path) {
        return Err(DiskError::NotAbsolute(path.to_owned()));
    }
    let not_the_nodes = |source| DiskError::NotOfTheNode { path: path.to_owned(), source };
    host::show_disk(path, make == Make::Directory).map_err(not_the_nodes)?;
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(DiskError::NotADirectory(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && make == Make::Directory => make_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DiskError::Missing(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(DiskError::NotADirectory(path.to_owned())),
        Err(source) => Err(DiskError::Io { what: "look at", path: path.to_owned(), source }),
    }
}

/// Whether the disk at `path` is the wished one.
///
/// # Errors
/// [`DiskError::OtherDisk`] when it is another one, or none.
pub fn check_identity(path: &Path, uuid: &str) -> Result<(), DiskError> {
    if !is_plain(path) {
        return Err(DiskError::NotAbsolute(path.to_owned()));
    }
    match configuration::read(path)? {
        Some(found) if found == uuid => Ok(()),
        found => Err(DiskError::OtherDisk { path: path.to_owned(), wanted: uuid.to_owned(), found }),
    }
}

fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| part.as_os_str() != "..")
}

/// Only for its owner: data of volumes lies within.
fn make_directory(path: &Path) -> Result<(), DiskError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| DiskError::Io { what: "make the directory", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
