//! Giving up images that hold data, so that a crash in the middle leaves nothing behind for ever.
//!
//! An image that `volume.meta` does not name, or without metadata, is no layer any more; but whoever opens the directory
//! later must not take its data for worthless just because of that. So each image gets a second name first
//! (`<image>.abandoned`, a hard link), which says that it goes on purpose.
//!
//! ```text
//!   marks, synced ──► metadata (or the head's place in volume.meta) goes ──► images go, synced ──► marks go
//! ```
//! A crash in the first step leaves marks on layers: the next open removes the marks. A crash later leaves marks on
//! images that are no layers: the next open removes the images, and then the marks (`leftovers`).

use super::directory::Directory;
use super::error::ReplicaError;
use super::names;
use crate::crash_point;

/// Marks images, durably. A failure takes the marks back.
pub(super) fn mark(directory: &Directory, images: &[String]) -> Result<(), ReplicaError> {
    let marked = mark_each(directory, images);
    if marked.is_err() {
        keep(directory, images);
    }
    marked
}

fn mark_each(directory: &Directory, images: &[String]) -> Result<(), ReplicaError> {
    for image in images {
        let name = names::abandoned_of(image);
        // Of an attempt that failed.
        directory.remove(&name)?;
        directory.link(image, &name)?;
        crash_point::reached("abandon.one-marked");
    }
    directory.sync()?;
    crash_point::reached("abandon.marked");
    Ok(())
}

/// Removes marked images with what belongs to them, the first one first.
pub(super) fn remove_marked(directory: &Directory, images: &[String]) -> Result<(), ReplicaError> {
    for image in images {
        directory.remove_layer(image)?;
    }
    directory.sync()?;
    crash_point::reached("abandon.images-removed");
    for image in images {
        directory.remove(&names::abandoned_of(image))?;
        crash_point::reached("abandon.mark-removed");
    }
    directory.sync()
}

/// The images stay: what was to follow failed.
pub(super) fn keep(directory: &Directory, images: &[String]) {
    for image in images {
        if let Err(error) = directory.remove(&names::abandoned_of(image)) {
            tracing::warn!(image, %error, "cannot take back a mark; the next open of the replica removes it");
        }
    }
}
