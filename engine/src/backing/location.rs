//! Finding the image that a path means.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::BackingError;

/// The path may name the file, or a directory that holds nothing else.
pub(super) fn image_at(path: &Path) -> Result<PathBuf, BackingError> {
    let image = if fs::metadata(path).map_err(missing("find", path))?.is_dir() {
        only_entry(path)?
    } else {
        path.to_path_buf()
    };
    // A pipe or a device would block, or change under the volume.
    if !fs::metadata(&image).map_err(missing("find", &image))?.is_file() {
        return Err(BackingError::NotAFile { path: image });
    }
    Ok(image)
}

fn only_entry(directory: &Path) -> Result<PathBuf, BackingError> {
    let listed = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match &listed.map_err(missing("list the directory of the", directory))?[..] {
        [only] => Ok(only.path()),
        several => Err(BackingError::NotOneFile { path: directory.to_path_buf(), count: several.len() }),
    }
}

pub(super) fn missing(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackingError {
    let path = path.to_path_buf();
    move |source| BackingError::Missing { what, path, source }
}
