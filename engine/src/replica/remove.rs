//! Removing a snapshot. Its data goes only where no layer and no reader needs it.

use super::abandon;
use super::chain::Records;
use super::directory::Directory;
use super::metadata::LayerMeta;
use super::names;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::crash_point;

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
    crash_point::reached("remove.marked");
    *record = meta;
    Ok(())
}

/// Deletes `image` and then its ancestors, for as long as they are marked and nothing stands on them. The head stands
/// on its parent, so no layer of the live chain is ever deleted.
fn delete_leaves(directory: &Directory, structure: &mut Structure, image: String) -> Result<(), ReplicaError> {
    let leaves = leaves_from(&structure.records, &structure.meta.head, image);
    if leaves.is_empty() {
        return Ok(());
    }
    abandon::mark(directory, &leaves)?;
    for leaf in &leaves {
        structure.records.0.remove(leaf);
    }
    abandon::remove_marked(directory, &leaves)
}

/// The topmost first.
fn leaves_from(records: &Records, head: &str, image: String) -> Vec<String> {
    let mut rest = records.clone();
    let mut leaves = Vec::new();
    let mut at = image;
    while let Some(record) = rest.get(&at)
        && record.removed
        && at != head
        && !rest.has_children(&at)
    {
        let parent = record.parent.clone();
        rest.0.remove(&at);
        leaves.push(std::mem::replace(&mut at, parent));
    }
    leaves
}
