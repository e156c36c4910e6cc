//! Deleting a closed replica.

use std::path::Path;

use super::directory::Directory;
use super::error::ReplicaError;
use super::names;
use crate::crash_point;
use crate::disk::DiskError;

/// Deletes the replica's own files and then the directory. Files of others are left, and the directory with them.
///
/// Heads go first and `volume.meta` last: a deletion that broke off leaves a directory that counts as a replica, does
/// not open, and can be deleted again.
///
/// # Errors
/// [`ReplicaError::InUse`] while a process has it open; [`ReplicaError::NotEmpty`] where other files remain.
pub fn delete_directory(dir: &Path) -> Result<(), ReplicaError> {
    if !dir.is_dir() {
        return Err(ReplicaError::NotFound { dir: dir.to_path_buf() });
    }
    let directory = Directory::take(dir)?;
    let listing = directory.list()?;
    for file in listing.iter().filter(|file| is_layer_file(file)) {
        directory.remove(file)?;
        crash_point::reached("delete.layer-file-removed");
    }
    for file in listing.iter().filter(|file| super::sums::is_file_of_sums(file)) {
        directory.remove(file)?;
    }
    directory.sync()?;
    let small_files =
        [names::REVISION_COUNTER, names::REMOTE_FILE, names::REGIONS_FILE, names::STATE_FILE, names::VOLUME_META];
    for small in small_files {
        directory.remove(&format!("{small}{}", names::TMP_SUFFIX))?;
        directory.remove(small)?;
        crash_point::reached("delete.small-file-removed");
    }
    let left = directory.list()?;
    if !left.is_empty() {
        return Err(ReplicaError::NotEmpty { dir: dir.to_path_buf(), left: left.join(", ") });
    }
    Ok(std::fs::remove_dir(dir).map_err(DiskError::at("remove the directory", dir))?)
}

/// Images, their metadata and checksums, finished or not. `volume-head` sorts before `volume-snap`.
pub(crate) fn is_layer_file(file: &str) -> bool {
    let Some((image, suffix)) = file.rfind(".img").map(|at| file.split_at(at + ".img".len())) else {
        return false;
    };
    let known = matches!(
        suffix,
        "" | ".meta"
            | ".meta.tmp"
            | ".checksum"
            | ".checksum..tmp"
            | names::TMP_SUFFIX
            | ".snap_tmp"
            | ".snap_tmp.meta"
            | names::ABANDONED_SUFFIX
    ) || names::is_aside_suffix(suffix);
    let ours = names::is_head(image) || names::snapshot_of(image).is_some() || image.starts_with("volume-delta-");
    known && ours
}
