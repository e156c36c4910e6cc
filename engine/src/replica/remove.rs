//! Removing snapshots. Marking moves no data; files go only where no layer stands on them.

use std::collections::BTreeSet;

use super::directory::Directory;
use super::metadata::LayerMeta;
use super::names;
use super::replace::Prepared;
use super::stack::Structure;
use super::{ChangeError, Replica, ReplicaError};
use crate::crash_point;

impl Replica {
    /// Marks snapshots as removed, durably. They stay in the chain until nothing stands on them or a purge merges
    /// them, but nobody may read, clone or go back to them any more.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`], [`ReplicaError::Rebuilding`], [`ReplicaError::Undone`]: nothing changed. Other
    /// errors: some may be marked; [`Replica::layers`] tells.
    pub fn mark_removed(&self, snapshots: &[String]) -> Result<(), ReplicaError> {
        let images = snapshots.iter().map(|name| names::snapshot_image(name)).collect::<Result<Vec<_>, _>>()?;
        self.exclusive(|structure| {
            structure.complete_for("remove a snapshot")?;
            for (image, name) in images.iter().zip(snapshots) {
                if structure.records.get(image).is_none() {
                    return Err(ReplicaError::SnapshotNotFound { name: name.clone() }.into());
                }
            }
            mark(&self.directory, structure, &images)
        })
    }

    /// Deletes the files of removed snapshots on which no layer stands, as a purge would.
    ///
    /// # Errors
    /// [`ReplicaError::Rebuilding`]: nothing changed. Other errors: some may be deleted, and the call may be repeated.
    pub fn delete_removed_leaves(&self) -> Result<(), ReplicaError> {
        self.exclusive(|structure| {
            structure.complete_for("delete removed snapshots")?;
            while let Some(leaf) = removed_leaf(structure) {
                delete_leaf(&self.directory, structure, &leaf)?;
            }
            Ok(())
        })
    }

    /// Marks a snapshot as removed and deletes what nothing stands on any more: for a replica that is the only one.
    /// With several members, all of them mark before one deletes, so that what one of them lacks was not lost.
    ///
    /// # Errors
    /// As [`Replica::mark_removed`].
    pub fn remove_snapshot(&self, name: &str) -> Result<(), ReplicaError> {
        self.mark_removed(&[name.to_owned()])?;
        self.delete_removed_leaves()
    }
}

/// Everything that takes space is done for all of them before the first one is marked.
fn mark(directory: &Directory, structure: &mut Structure, images: &[String]) -> Result<(), ChangeError> {
    let prepared: Result<Vec<_>, ChangeError> = images
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|image| prepare_mark(directory, structure, image).transpose())
        .collect();
    for (image, meta, prepared) in prepared.map_err(|error| error.undone("no snapshot was marked as removed"))? {
        prepared.commit()?;
        crash_point::reached("remove.marked");
        structure.records.0.insert(image, meta);
    }
    Ok(())
}

/// `None` where the layer is marked already.
fn prepare_mark<'directory>(
    directory: &'directory Directory,
    structure: &Structure,
    image: &str,
) -> Result<Option<(String, LayerMeta, Prepared<'directory>)>, ChangeError> {
    let Some(record) = structure.records.get(image).filter(|record| !record.removed) else { return Ok(None) };
    // Longhorn writes a rewritten record under the layer's present name.
    let meta = LayerMeta { name: image.to_owned(), removed: true, ..record.clone() };
    let file = names::meta_of(image);
    let prepared = directory.prepare(&file, &meta.encode(&file)?, 0o644)?;
    Ok(Some((image.to_owned(), meta, prepared)))
}

/// A removed layer that nothing stands on. The head stands on its parent, so no layer of the live chain is one.
fn removed_leaf(structure: &Structure) -> Option<String> {
    let records = &structure.records;
    let mut removed = records.0.iter().filter(|(name, record)| record.removed && **name != structure.meta.head);
    removed.find(|(name, _)| !records.has_children(name)).map(|(name, _)| name.clone())
}

/// Deletes a removed layer that nothing stands on. The image goes first: metadata of a removed layer without its image
/// tells the next open what to tidy up, while an image without metadata could be anything.
pub(super) fn delete_leaf(directory: &Directory, structure: &mut Structure, image: &str) -> Result<(), ReplicaError> {
    directory.remove(image)?;
    // Also if what follows fails: a layer without an image is none.
    structure.records.forget(image);
    crash_point::reached("purge.leaf-image-gone");
    directory.remove(&names::checksum_of(image))?;
    directory.remove(&names::meta_of(image))?;
    directory.sync()?;
    crash_point::reached("purge.leaf-gone");
    Ok(())
}
