//! Going back to a snapshot: an empty head on top of it, and the old head goes. It is marked before that, so that a
//! crash after `volume.meta` named the new head does not leave it behind for ever (`abandon`).

use super::abandon;
use super::names;
use super::snapshot::FreshHead;
use super::stack::Layers;
use super::{Replica, ReplicaError};

impl Replica {
    /// Makes the volume's content that of the snapshot `name`. What was written since the last snapshot is gone;
    /// snapshots of the abandoned branch stay. Durable when this returns.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`], [`ReplicaError::SnapshotRemoved`], [`ReplicaError::Rebuilding`],
    /// [`ReplicaError::Undone`]: nothing changed.
    pub fn revert(&self, name: &str, created: &str) -> Result<(), ReplicaError> {
        let image = names::snapshot_image(name)?;
        self.stop_purge("the volume is being put back to a snapshot");
        self.exclusive(|structure| {
            structure.complete_for("revert")?;
            match structure.records.get(&image) {
                None => {
                    return Err(ReplicaError::SnapshotNotFound { name: name.to_owned() }.into());
                }
                Some(record) if record.removed => {
                    return Err(ReplicaError::SnapshotRemoved { name: name.to_owned() }.into());
                }
                Some(_) => {}
            }
            let old_head = structure.meta.head.clone();
            let chain = structure.records.chain_from(&image)?;
            let lower = Layers::load(&self.directory, &chain, structure.meta.size, structure.lower.backing())?;
            let committed = FreshHead::instead(&self.directory, &mut structure.meta, &image, created);
            let fresh = committed.map_err(|error| error.undone("the volume was not put back to the snapshot"))?;
            structure.lower = lower;
            structure.head = fresh.install(&mut structure.records);
            structure.records.0.remove(&old_head);
            Ok(abandon::remove_marked(&self.directory, &[old_head])?)
        })
    }
}
