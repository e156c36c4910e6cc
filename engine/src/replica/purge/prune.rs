//! Punching out of the removed layer under the head what the head hides.
//!
//! Invariant: a block is punched only after a sync that came after the head was known to hold it. Otherwise a power cut
//! could take the head's unflushed block back and show what lies below the removed layer: content that was never the
//! volume's at any flush. And only after every request has ended that came before that: a read may have found the head
//! without the block, and still be on its way to the removed layer.

use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::disk::image::{Access, ImageFile};
use crate::replica::directory::Directory;
use crate::replica::extent_map::Blocks;
use crate::replica::stack::{Structure, bytes_of, first_held};
use crate::replica::{Replica, ReplicaError};

/// Blocks of the layer looked at in one step. Punching is cheap; the sync before it is what takes time.
const STEP_BLOCKS: u64 = (64 << 20) / BLOCK_SIZE;

pub(super) struct Prune {
    layer: String,
    image: ImageFile,
    at: u64,
    end: u64,
    /// What the last look found to be hidden, and synced.
    hidden: Vec<Blocks>,
}

/// What a look at the next blocks came to.
pub(super) enum Look {
    /// So many bytes of the layer were looked at. What is hidden of them may be punched when requests have ended.
    At(u64),
    End,
}

impl Prune {
    pub(super) fn begin(directory: &Directory, layer: &str) -> Result<Self, ReplicaError> {
        let image = ImageFile::open(&directory.file(layer), Access::ReadOnly)?;
        let end = image.size()?.div_ceil(BLOCK_SIZE);
        Ok(Self { layer: layer.to_owned(), image, at: 0, end, hidden: Vec::new() })
    }

    pub(super) fn layer(&self) -> &str {
        &self.layer
    }

    /// Looks at the next blocks that the layer holds.
    pub(super) fn look(&mut self, replica: &Replica, structure: &Structure) -> Result<Look, ReplicaError> {
        let parts = first_held(&self.image, self.at..self.end, STEP_BLOCKS)?;
        let Some(last) = parts.last() else { return Ok(Look::End) };
        self.at = last.end;
        self.hidden = hidden_by_head(structure, &parts)?;
        if !self.hidden.is_empty() {
            replica.sync_head(structure)?;
        }
        Ok(Look::At(parts.iter().map(|part| bytes_of(part).1).sum()))
    }

    pub(super) fn has_hidden(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Punches what was hidden at the look and still is.
    pub(super) fn punch(&mut self, replica: &Replica, structure: &Structure) -> Result<(), ReplicaError> {
        let hidden = hidden_by_head(structure, &std::mem::take(&mut self.hidden))?;
        let (Some(first), Some(last)) = (hidden.first(), hidden.last()) else { return Ok(()) };
        let _alone = structure.below.alone()?;
        let punched = structure.punch_layer(&replica.directory, &self.layer, &hidden);
        structure.lower.recheck(first.start..last.end)?;
        punched?;
        crash_point::reached("purge.pruned");
        Ok(())
    }
}

fn hidden_by_head(structure: &Structure, parts: &[Blocks]) -> Result<Vec<Blocks>, ReplicaError> {
    let mut hidden = Vec::new();
    for part in parts {
        let held = structure.head.segments(part.clone())?.into_iter().filter(|(_, held)| held.is_some());
        hidden.extend(held.map(|(blocks, _)| blocks));
    }
    Ok(hidden)
}
