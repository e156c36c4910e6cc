//! Reading the volume.

use super::extent_map::Blocks;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::disk::{AlignedBuf, BLOCK_SIZE};

/// The blocks that a byte range touches.
pub(super) fn touched(offset: u64, length: u64) -> Blocks {
    offset / BLOCK_SIZE..(offset + length).div_ceil(BLOCK_SIZE)
}

impl Replica {
    /// `length` bytes from `offset` on, at any alignment, through the chain; zeros where nothing was written.
    ///
    /// # Errors
    /// [`ReplicaError::OutOfRange`] past the end, [`ReplicaError::Rebuilding`] while data may be missing, or the disk's.
    pub fn read(&self, offset: u64, length: u32) -> Result<AlignedBuf, ReplicaError> {
        let bytes = u64::from(length);
        self.check_range("a read", offset, bytes)?;
        self.shared(|structure| {
            structure.complete_for("read")?;
            cut(offset, length, |blocks, buffer| structure.read(blocks, buffer))
        })
    }

    /// Like [`Replica::read`], as seen from the layer `file_name`: a snapshot's content. What lies past the end of
    /// an older, shorter layer reads as zeros. Opens the layers of that chain anew for each call.
    ///
    /// # Errors
    /// As [`Replica::read`], and [`ReplicaError::LayerNotFound`].
    pub fn read_layer_chain(&self, file_name: &str, offset: u64, length: u32) -> Result<AlignedBuf, ReplicaError> {
        self.check_range("a read", offset, u64::from(length))?;
        self.shared(|structure| {
            structure.complete_for("read a snapshot")?;
            if file_name == structure.meta.head {
                return cut(offset, length, |blocks, buffer| structure.read(blocks, buffer));
            }
            let layers = self.layers_from(structure, file_name)?;
            cut(offset, length, |blocks, buffer| layers.read(blocks, buffer))
        })
    }

    pub(super) fn layers_from(
        &self,
        structure: &Structure,
        file_name: &str,
    ) -> Result<super::stack::Layers, ReplicaError> {
        if structure.records.get(file_name).is_none() {
            return Err(ReplicaError::LayerNotFound { file_name: file_name.to_owned(), place: "in this replica" });
        }
        let chain = structure.records.chain_from(file_name)?;
        super::stack::Layers::load(&self.directory, &chain, structure.meta.size, structure.lower.backing())
    }
}

/// Reads the whole blocks around a byte range and cuts the range out of them.
pub(super) fn cut(
    offset: u64,
    length: u32,
    read: impl FnOnce(Blocks, &mut [u8]) -> Result<(), ReplicaError>,
) -> Result<AlignedBuf, ReplicaError> {
    let blocks = touched(offset, u64::from(length));
    let length = length as usize;
    let mut whole = AlignedBuf::zeroed(((blocks.end - blocks.start) * BLOCK_SIZE) as usize);
    read(blocks, whole.padded_mut())?;
    let skipped = (offset % BLOCK_SIZE) as usize;
    if skipped > 0 {
        return Ok(AlignedBuf::copy_of(&whole[skipped..skipped + length]));
    }
    whole.truncate(length);
    Ok(whole)
}
