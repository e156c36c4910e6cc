//! Making the volume larger while it is in use.
//!
//! In Longhorn's order (formats.md §5) this is a snapshot named `expand-<new size>` whose new head has the new size:
//! the layers below keep theirs, and what a reader sees past the end of a shorter layer is zeros.
//!
//! Invariants:
//! - **`volume.meta` is the commit.** It names head and size together, so that a crash leaves the old head with the old
//!   size or the new head with the new one; the strays are those of a snapshot.
//! - **No byte below the old size changes**, and every byte above it reads as zero until it is written.
//! - **A volume never shrinks.** Whoever saw the new size may have written up to it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::create::check_size;
use super::metadata::VolumeMeta;
use super::names;
use super::snapshot::Taken;
use super::{Replica, ReplicaError};
use crate::crash_point;

/// Label of the snapshot that an expansion leaves; its value is the new size.
pub(crate) const LABEL: &str = "replica-expansion";

/// Name of the snapshot that an expansion to `size` bytes leaves.
pub(crate) fn snapshot_name(size: u64) -> String {
    format!("expand-{size}")
}

impl Replica {
    /// Makes the volume `size` bytes large (a multiple of 4096), durably when this returns. The present size is no
    /// change and no error. `created` is RFC 3339 in UTC, the time of the snapshot and of the new head.
    ///
    /// # Errors
    /// [`ReplicaError::Smaller`], [`ReplicaError::InvalidSize`], [`ReplicaError::SnapshotExists`],
    /// [`ReplicaError::ChainTooLong`], [`ReplicaError::Undone`]: nothing changed. Other errors: the volume has the old or
    /// the new size; [`Replica::layers`] tells.
    pub fn expand(&self, size: u64, created: &str) -> Result<(), ReplicaError> {
        check_size(size)?;
        if size > self.size() {
            // Most of the data goes to the disk while I/O still flows, as for a snapshot.
            self.shared(|structure| self.sync_head(structure))?;
        }
        let name = snapshot_name(size);
        let image = names::snapshot_image(&name)?;
        self.exclusive(|structure| {
            let now = structure.meta.size;
            if size == now {
                return Ok(());
            }
            if size < now {
                return Err(ReplicaError::Smaller { asked: size, size: now }.into());
            }
            self.check_room_for(structure, &name, &image)?;
            self.sync_head(structure)?;
            crash_point::reached("expand.head-synced");
            let labels = BTreeMap::from([(LABEL.to_owned(), size.to_string())]);
            let volume = VolumeMeta { size, ..structure.meta.clone() };
            let refusal = "the volume was not expanded";
            let taken = Taken { image: &image, user_created: false, created, labels: &labels, refusal };
            let prepared = taken.prepare(&self.directory, structure, &volume).map_err(|error| error.undone(refusal))?;
            let outcome = taken.take(&self.directory, structure, prepared);
            // Also after a failure: it may have come after the commit.
            self.size.store(structure.meta.size, Ordering::Release);
            crash_point::reached("expand.taken");
            outcome
        })
    }
}
