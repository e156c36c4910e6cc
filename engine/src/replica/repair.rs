//! Blocks that the disk has changed, put right with what another replica has.
//!
//! Invariants:
//! - **A block is written only with what it held before**: the data has the checksum that was taken down when the block was
//!   written. So a repair changes nothing for any reader, in whichever layer the block lies, and layers stay what they are on
//!   all replicas.
//! - **It is written where it lies**, never on top of it.
//! - A checksum that is wrong itself is told apart: then the other replica has the very bytes that are here.
//! - **A write that fails leaves the checksum as it is**: the block stays known as wrong.
//!
//! The engine lets no write of these blocks in meanwhile.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::read::touched;
use super::stack::{Layers, Structure};
use super::{Replica, ReplicaError};
use crate::disk::image::ImageFile;
use crate::disk::sums;
use crate::disk::zeros::is_zero;
use crate::disk::{AlignedBuf, BLOCK_SIZE};

/// What became of the blocks of a repair that were wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairReport {
    pub repaired: u64,
    /// What the other replica has is not what was written here either.
    pub not_repaired: u64,
    /// File name of the image with the last one of them.
    pub image: String,
    /// Where it is, in bytes.
    pub offset: u64,
}

impl Replica {
    /// Puts right what of these whole blocks is wrong, as seen from the layer `seen_from`, or from the head where that is
    /// empty. `data` is what another replica shows there. What is repaired is durable when this returns.
    ///
    /// # Errors
    /// As [`Replica::read_layer_chain`], [`ReplicaError::Unaligned`], or the disk refused it: it cannot be relied on any more.
    pub fn repair(&self, seen_from: &str, offset: u64, data: &AlignedBuf) -> Result<RepairReport, ReplicaError> {
        let length = data.len() as u64;
        self.check_range("a repair", offset, length)?;
        if !offset.is_multiple_of(BLOCK_SIZE) || !length.is_multiple_of(BLOCK_SIZE) {
            return Err(ReplicaError::Unaligned { what: "a repair", offset, length });
        }
        self.shared(|structure| {
            structure.complete_for("repair blocks")?;
            // A purge moves and punches blocks of removed layers.
            let _alone = structure.below.alone()?;
            let is_head = seen_from.is_empty() || seen_from == structure.meta.head;
            let layers = if is_head { None } else { Some(self.layers_from(structure, seen_from)?) };
            let mut report = RepairReport::default();
            for (block, data) in touched(offset, length).zip(data.chunks_exact(BLOCK_SIZE as usize)) {
                if let Some(image) = holder(structure, layers.as_ref(), block)? {
                    repair_block(&image, block * BLOCK_SIZE, data, &mut report)?;
                }
            }
            Ok(report)
        })
    }
}

/// The image that a reader gets the block from; `None` where no layer holds it.
fn holder(structure: &Structure, layers: Option<&Layers>, block: u64) -> Result<Option<Arc<ImageFile>>, ReplicaError> {
    let mut lower = &structure.lower;
    match layers {
        Some(layers) => lower = layers,
        None if structure.head.count(block..block + 1)? > 0 => return Ok(Some(structure.head.image())),
        None => {}
    }
    let found = lower.segments(block..block + 1)?.into_iter().find_map(|(_, layer)| layer);
    Ok(found.map(|layer| lower.image(layer)))
}

fn repair_block(image: &ImageFile, offset: u64, data: &[u8], report: &mut RepairReport) -> Result<(), ReplicaError> {
    let mut found = AlignedBuf::zeroed(BLOCK_SIZE as usize);
    let bad = match image.read_blocks(offset, found.padded_mut()) {
        Ok(()) => return Ok(()),
        Err(error) => error.bad_block().ok_or(error)?,
    };
    image.read_unchecked(offset, found.padded_mut())?;
    report.image = image.name();
    report.offset = offset;
    let is_repaired = if found[..] == *data && !is_zero(data) {
        // Two replicas have the same bytes: it is the checksum that was changed. Zeros say nothing: a disk makes them of what
        // it lost, and they are what the other one shows where it has nothing.
        image.note_written(offset, data);
        true
    } else if sums::of_block(data) == bad.known {
        let writable = image.writable()?;
        writable.write_again(offset, AlignedBuf::copy_of(data).padded())?;
        writable.sync_data()?;
        image.read_blocks(offset, found.padded_mut())?;
        true
    } else {
        false
    };
    *(if is_repaired { &mut report.repaired } else { &mut report.not_repaired }) += 1;
    tracing::error!(image = report.image, offset, is_repaired, %bad, "the disk has changed a block");
    Ok(())
}
