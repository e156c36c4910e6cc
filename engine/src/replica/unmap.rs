//! Writing zeros and giving space back.
//!
//! A discard punches the head and the run of removed layers directly below it, for nobody else sees those. It stops at
//! the first live layer, at the first layer that another branch is seen through ([`super::tree`]), and never touches
//! the backing file. Longhorn's discard may punch a live snapshot, and shows zeros until the next open and older data
//! after it; here a discarded block at once reads as what lies below the run, before and after a reopen alike.
//!
//! Invariant (members purge at their own pace): **what is seen after a discard does not depend on how far a purge
//! has come.** Call the head, live layers and removed layers that several mattering ones stand on *kept*. What is seen
//! from a kept layer is the same on every member, and a discard shows what is seen from the first kept layer below
//! the head, because it empties everything between:
//! - a purge keeps every kept layer, and which kept layer is next below another. Deleting a leaf takes a layer that
//!   does not matter. Merging takes a removed layer with one child, and so with at most one that matters; its data
//!   becomes its child's, which lies in the same run, or is the kept layer that saw that data already;
//! - a prune takes out of the run only what the head hides, and a discard takes both;
//! - a removed layer never becomes kept later: nothing can be put on it, and nothing dead on it comes back to life.
//!
//! Zeros may be left out as holes only where no layer at all holds data. That may be so on one member and not on
//! another that purged less, which then holds zeros: a reader sees zeros on both, also after a later discard, since
//! where one member holds nothing at all, what is seen from every kept layer is zeros on each.

use super::extent_map::Blocks;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::disk::BLOCK_SIZE;

/// Whole blocks inside a byte range; empty if there is none.
fn inner(offset: u64, length: u64) -> Blocks {
    let start = offset.div_ceil(BLOCK_SIZE);
    start..((offset + length) / BLOCK_SIZE).max(start)
}

impl Replica {
    /// Makes the range read as zeros, now and after a reopen. Blocks under which no layer holds data take no I/O: they
    /// become holes with `may_unmap`, and reserved space without it. On all others zeros are written, at the speed
    /// of the disk, and hide what lies below.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub fn write_zeroes(&self, offset: u64, length: u64, may_unmap: bool) -> Result<(), ReplicaError> {
        self.check_range("a write of zeros", offset, length)?;
        self.shared(|structure| {
            self.count_revision();
            if length == 0 {
                return Ok(());
            }
            structure.regions.mark(offset, length)?;
            let blocks = inner(offset, length);
            if blocks.is_empty() {
                // At most two partial blocks.
                return structure.zero_partial(offset, length);
            }
            let (start, end) = (blocks.start * BLOCK_SIZE, blocks.end * BLOCK_SIZE);
            structure.zero_partial(offset, start - offset)?;
            structure.zero_partial(end, offset + length - end)?;
            structure.zero_blocks(blocks, may_unmap)
        })
    }

    /// Gives the whole blocks inside the range back to the file system; partial blocks at its ends stay. They read
    /// as what the first layer below holds that somebody else sees, or as zeros. Returns the bytes freed, on all
    /// layers together. While rebuilding, the head alone gives space back: the layers below it are being filled.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub fn discard(&self, offset: u64, length: u64) -> Result<u64, ReplicaError> {
        self.check_range("a discard", offset, length)?;
        self.shared(|structure| {
            self.count_revision();
            let blocks = inner(offset, length);
            if blocks.is_empty() {
                return Ok(0);
            }
            structure.regions.mark(offset, length)?;
            structure.discard(&self.directory, blocks)
        })
    }
}

impl Structure {
    fn zero_partial(&self, offset: u64, length: u64) -> Result<(), ReplicaError> {
        if length == 0 {
            return Ok(());
        }
        self.fill_in("a write of zeros", offset, length, |place| place.fill(0))
    }

    fn zero_blocks(&self, blocks: Blocks, may_unmap: bool) -> Result<(), ReplicaError> {
        // While rebuilding, the layers below will hold data that is not there yet. Those of a replica that catches up do.
        if self.meta.rebuilding && !self.rebuild.is_catching_up() {
            return self.head.write_zeros(blocks);
        }
        for (part, hides_data) in self.lower.hidden_data(blocks)? {
            if hides_data {
                self.head.write_zeros(part)?;
            } else if !may_unmap {
                self.head.reserve_zeros(part)?;
            } else if self.head.count(part.clone())? > 0 {
                self.head.punch(part)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::inner;

    #[test]
    fn a_range_is_trimmed_inwards() {
        assert_eq!(inner(0, 4096), 0..1);
        assert_eq!(inner(1, 4096), 1..1);
        assert_eq!(inner(1, 8191), 1..2);
        assert_eq!(inner(4096, 12287), 1..3);
        assert_eq!(inner(10, 5), 1..1);
    }
}
