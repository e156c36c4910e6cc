//! Writing into the head.
//!
//! Only whole blocks go to the image. A partial block is completed with what a reader sees there, so that the head's
//! new block hides nothing; while rebuilding that is not known, and a request that is not made of whole blocks is
//! refused.

use super::read::touched;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::disk::{AlignedBuf, BLOCK_SIZE};

impl Replica {
    /// Writes `data` at `offset`, at any alignment. The data may sit in the disk's cache until [`Replica::flush`].
    ///
    /// # Errors
    /// [`ReplicaError::OutOfRange`], [`ReplicaError::Unaligned`] for partial blocks while rebuilding,
    /// [`ReplicaError::NoSpace`], or the disk's: the content of the range is then old, new or a mixture of both.
    pub fn write(&self, offset: u64, data: &AlignedBuf) -> Result<(), ReplicaError> {
        self.check_range("a write", offset, data.len() as u64)?;
        self.shared(|structure| {
            self.count_revision();
            structure.regions.mark(offset, data.len() as u64)?;
            structure.write(offset, data)
        })
    }
}

impl Structure {
    fn write(&self, offset: u64, data: &AlignedBuf) -> Result<(), ReplicaError> {
        let length = data.len() as u64;
        if length == 0 {
            return Ok(());
        }
        let blocks = touched(offset, length);
        if offset.is_multiple_of(BLOCK_SIZE) && length.is_multiple_of(BLOCK_SIZE) {
            return self.head.write(blocks, data);
        }
        self.fill_in("a write", offset, length, |place| place.copy_from_slice(data))
    }

    /// Writes a range with partial blocks: reads the blocks at its ends, lets `fill` put in the range, and writes all.
    pub(super) fn fill_in(
        &self,
        what: &'static str,
        offset: u64,
        length: u64,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), ReplicaError> {
        if self.meta.rebuilding {
            return Err(ReplicaError::Unaligned { what, offset, length });
        }
        let blocks = touched(offset, length);
        let (first, last) = (blocks.start, blocks.end - 1);
        let block = BLOCK_SIZE as usize;
        let mut whole = AlignedBuf::zeroed((blocks.end - first) as usize * block);
        if !offset.is_multiple_of(BLOCK_SIZE) {
            self.read(first..first + 1, &mut whole[..block])?;
        }
        if !(offset + length).is_multiple_of(BLOCK_SIZE) && (last > first || offset.is_multiple_of(BLOCK_SIZE)) {
            let start = whole.len() - block;
            self.read(last..last + 1, &mut whole[start..])?;
        }
        let start = (offset % BLOCK_SIZE) as usize;
        fill(&mut whole[start..start + length as usize]);
        self.head.write(blocks, &whole)
    }
}
