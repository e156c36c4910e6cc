//! Removing a snapshot. Its data goes only where no layer and no reader needs it.

use super::directory::Directory;
use super::metadata::LayerMeta;
use super::names;
use super::stack::Structure;
use super::{Replica, ReplicaError};

impl Replica {
    /// Marks the snapshot as removed, durably. If no layer stands on it, its files go at once, and with them those
    /// of its ancestors that are marked and have nothing on them any more. A snapshot under the head, or between
    /// others, stays in the chain until a purge merges it.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`], [`ReplicaError::Rebuilding`]: nothing changed.
    pub fn remove_snapshot(&self, name: &str) -> Result<(), ReplicaError> {
        let image = names::snapshot_image(name)?;
        self.exclusive(|structure| {
            structure.complete_for("remove a snapshot")?;
            if structure.records.get(&image).is_none() {
                return Err(ReplicaError::SnapshotNotFound { name: name.to_owned() }.into());
            }
            mark(&self.directory, structure, &image)?;
            Ok(delete_leaves(&self.directory, structure, image)?)
        })
    }
}

fn mark(directory: &Directory, structure: &mut Structure, image: &str) -> Result<(), ReplicaError> {
    let Some(record) = structure.records.0.get_mut(image) else {
        return Ok(());
    };
    if record.removed {
        return Ok(());
    }
    // Longhorn writes a rewritten record under the layer's present name.
    let meta = LayerMeta { name: image.to_owned(), removed: true, ..record.clone() };
    let file = names::meta_of(image);
    directory.replace(&file, &meta.encode(&file)?, 0o644)?;
    *record = meta;
    Ok(())
}

/// Deletes `image` and then its ancestors, for as long as they are marked and nothing stands on them. The head stands
/// on its parent, so no layer of the live chain is ever deleted.
fn delete_leaves(directory: &Directory, structure: &mut Structure, image: String) -> Result<(), ReplicaError> {
    let mut at = image;
    let mut deleted = false;
    while let Some(record) = structure.records.get(&at)
        && record.removed
        && at != structure.meta.head
        && !structure.records.has_children(&at)
    {
        let parent = record.parent.clone();
        directory.remove_layer(&at)?;
        structure.records.0.remove(&at);
        deleted = true;
        at = parent;
    }
    if deleted { directory.sync() } else { Ok(()) }
}
