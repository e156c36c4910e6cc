//! Writing zeros and giving space back. Both touch the head only.
//!
//! Longhorn's discard may punch a live snapshot, and shows zeros until the next open and older data after it. Here a
//! discarded block at once reads as what lies below it, before and after a reopen alike.

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
    /// Makes the range read as zeros, now and after a reopen. With `may_unmap`, blocks under which no layer holds
    /// data become holes; all others become allocated zeros, which hide what lies below.
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
    /// as what the layers below hold afterwards, or as zeros. Returns the bytes freed.
    ///
    /// # Errors
    /// As [`Replica::write`].
    pub fn discard(&self, offset: u64, length: u64) -> Result<u64, ReplicaError> {
        self.check_range("a discard", offset, length)?;
        self.shared(|structure| {
            self.count_revision();
            let blocks = inner(offset, length);
            let held = structure.head.count(blocks.clone())?;
            if held > 0 {
                structure.head.punch(blocks)?;
            }
            Ok(held * BLOCK_SIZE)
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
        // While rebuilding, the layers below will hold data that is not there yet.
        if self.meta.rebuilding || !may_unmap {
            return self.head.zero(blocks);
        }
        for (part, hides_data) in self.lower.hidden_data(blocks) {
            if hides_data {
                self.head.zero(part)?;
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
