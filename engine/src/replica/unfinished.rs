//! Writes that a power cut ended half-way, and what tells them from zeros.
//!
//! A direct write into a hole of the head takes three steps in the file system (ext4 and XFS alike): an *unwritten*
//! extent is allocated, which reads as zeros; the data goes to the disk; the extent becomes a written one. Allocation
//! decides which layer a block is read from, so after a power cut between the first step and the last the head would
//! answer with zeros for a block of which a snapshot holds flushed data.
//!
//! Invariant: **in a head that we write, zeros that hide data are never unwritten extents.**
//! - A write of zeros writes them wherever a layer below, or the backing file, holds data ([`super::unmap`]). Reserved
//!   space is left to blocks with nothing below, where unwritten and hole read the same.
//! - An acknowledged flush covers the third step too: what was flushed is written.
//! - So an unwritten extent of the head that hides data is a write that was never flushed. It is given back, and the
//!   block shows again what it showed before that write, as if the write had never come.
//!
//! When it is done:
//! - at the open of a directory that was not closed, before anything is read. Whether the host rebooted does not matter:
//!   the open waited for the queued writes of a killed owner ([`ImageFile::take_for_writing`]), and punching waits for
//!   direct writes in flight besides. Nothing is on its way that could come later;
//! - after a write that failed, for the blocks that the head did not hold before it.
//!
//! When it is not done: heads of Longhorn, and of programs before this rule, may hold unwritten extents that mean
//! zeros, and Longhorn reads all of them so. `aurochs.state` says `zeros_written` from the open at which the head was seen
//! to have none that hides data, and from every new head on. Without that the extents stay, and mean zeros. They
//! also stay in a directory that was closed: it holds none of ours, so somebody else put them there.
//!
//! Only the head has writes on their way. A layer below it was synced before it became one, data copied by a rebuild, a
//! fill or a purge is synced before the copy counts, and all of them write the zeros that they copy.

use super::error::ReplicaError;
use super::extent_map::Blocks;
use super::fence::FenceState;
use super::stack::{Head, Layers, Structure, bytes_of};
use crate::crash_point;
use crate::disk::image::ImageFile;
use crate::disk::{BLOCK_SIZE, DiskError};

/// What the head's unwritten extents over data mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Nothing: these blocks were being written when the power went. There may be none.
    Unfinished(Vec<Blocks>),
    /// Zeros.
    Zeros,
}

impl Unwritten {
    /// Judges the head of a directory that is being opened. Changes nothing.
    pub(super) fn judge(structure: &Structure, fence: &FenceState) -> Result<Self, ReplicaError> {
        let Structure { meta, head, lower, .. } = structure;
        let blocks = 0..meta.size / BLOCK_SIZE;
        if meta.rebuilding {
            // What lies below is not known, and the rebuild that starts over makes a new head.
            let none = !has_unwritten(&head.image, blocks)?;
            return Ok(if none { Self::Unfinished(Vec::new()) } else { Self::Zeros });
        }
        let parts = hiding_data(&head.image, lower, blocks)?;
        let ours = meta.dirty && fence.zeros_written;
        Ok(if parts.is_empty() || ours { Self::Unfinished(parts) } else { Self::Zeros })
    }
}

impl Structure {
    /// Gives back what unfinished writes left in the head, of a directory that is marked dirty.
    pub(super) fn take_back(&self, unwritten: &Unwritten) -> Result<(), ReplicaError> {
        let Unwritten::Unfinished(parts) = unwritten else { return Ok(()) };
        if parts.is_empty() {
            return Ok(());
        }
        for part in parts {
            self.head.punch(part.clone())?;
        }
        let bytes: u64 = parts.iter().map(|part| bytes_of(part).1).sum();
        tracing::warn!(
            bytes,
            head = self.meta.head,
            "writes had not ended when the replica stopped: their blocks show what they held before"
        );
        crash_point::reached("open.unfinished-writes-gone");
        Ok(())
    }
}

impl Head {
    /// Gives back what a failed write reserved and did not write. What cannot be given back stays allocated zeros.
    pub(super) fn take_back_unfinished(&self, blocks: &Blocks) -> Result<(), ReplicaError> {
        for part in unwritten(&self.image, blocks.clone()).unwrap_or_default() {
            let new = self.segments(part)?.into_iter().filter(|(_, held)| held.is_none());
            for (blocks, _) in new {
                let (offset, length) = bytes_of(&blocks);
                if let Err(error) = self.image.punch(offset, length) {
                    tracing::warn!(offset, length, %error, "what a failed write reserved reads as zeros now");
                }
            }
        }
        Ok(())
    }
}

/// The unwritten parts of the head under which `lower` holds data.
pub(crate) fn hiding_data(head: &ImageFile, lower: &Layers, blocks: Blocks) -> Result<Vec<Blocks>, ReplicaError> {
    let mut hiding = Vec::new();
    for part in unwritten(head, blocks)? {
        hiding.extend(lower.hidden_data(part)?.into_iter().filter(|(_, holds)| *holds).map(|(blocks, _)| blocks));
    }
    Ok(hiding)
}

/// Whether anything of `blocks` is allocated and not written.
pub(crate) fn has_unwritten(image: &ImageFile, blocks: Blocks) -> Result<bool, DiskError> {
    let mut found = false;
    image.for_each_extent(blocks.start * BLOCK_SIZE, blocks.end * BLOCK_SIZE, |extent| {
        found |= extent.unwritten;
        !found
    })?;
    Ok(found)
}

/// The parts of `blocks` with an unwritten extent, in whole blocks: on a file system with blocks of 1 KiB a write may end
/// with a part of a block written, and then none of the block was flushed.
fn unwritten(image: &ImageFile, blocks: Blocks) -> Result<Vec<Blocks>, DiskError> {
    let mut found: Vec<Blocks> = Vec::new();
    image.for_each_extent(blocks.start * BLOCK_SIZE, blocks.end * BLOCK_SIZE, |extent| {
        let after = found.last().map_or(blocks.start, |last| last.end);
        let start = (extent.offset / BLOCK_SIZE).max(after);
        let end = ((extent.offset + extent.length) / BLOCK_SIZE).min(blocks.end);
        if extent.unwritten && start < end {
            found.push(start..end);
        }
        true
    })?;
    Ok(found)
}
