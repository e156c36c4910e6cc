//! Taking a copy in vain out of the removed layer again: a full disk must not stay full of it.
//!
//! What the child holds hides those blocks of the removed layer, whoever wrote them: they are worth nothing there. So
//! nobody sees this either, and a crash or a stop in the middle leaves at most a copy that the next merge writes over.

use crate::disk::image::ImageFile;
use crate::replica::ReplicaError;
use crate::replica::directory::Directory;
use crate::replica::stack::{Structure, bytes_of, first_held};

use super::plan;

/// Blocks looked at in one step, and pieces punched: a scattered copy holds discards up no longer than one in a row.
const STEP_BLOCKS: u64 = (16 << 20) / crate::disk::BLOCK_SIZE;
const STEP_PIECES: usize = 256;

/// A merge that broke off, and why.
pub(super) struct GiveBack {
    pub(super) removed: String,
    pub(super) child: String,
    pub(super) source: ImageFile,
    pub(super) target: ImageFile,
    /// First block that was not given back yet.
    pub(super) at: u64,
    /// First block that no copy got to.
    pub(super) end: u64,
    pub(super) why: ReplicaError,
}

impl GiveBack {
    /// Gives the next piece back. False when nothing is left, or when the tree has changed and it is not ours any more.
    pub(super) fn some(&mut self, structure: &Structure) -> Result<bool, ReplicaError> {
        let is_ours = plan::may_coalesce(&structure.records, &structure.meta.head, &self.removed, &self.child);
        if !is_ours || self.at >= self.end {
            return Ok(false);
        }
        let _alone = structure.below.alone()?;
        let mut parts = first_held(&self.source, self.at..self.end, STEP_BLOCKS)?;
        parts.truncate(STEP_PIECES);
        for part in &parts {
            let (offset, length) = bytes_of(part);
            self.target.punch(offset, length)?;
        }
        self.at = parts.last().map_or(self.end, |part| part.end);
        Ok(self.at < self.end)
    }

    /// Makes the holes durable and tells why the merge broke off.
    pub(super) fn finish(self, directory: &Directory) -> Result<ReplicaError, ReplicaError> {
        self.target.sync_data()?;
        directory.end_of_change(&self.target)?;
        Ok(self.why)
    }
}
