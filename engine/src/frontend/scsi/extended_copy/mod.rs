//! EXTENDED COPY (LID1): blocks are copied within the unit without a way over the network.
//!
//! The list names up to two copy targets, which can only be this very unit, and up to [`MAX_SEGMENTS`] segments from block
//! to block. [`descriptors`] reads it whole, so that nothing is copied when any part of it is wrong; [`results`] keeps for
//! the session what came of it.

mod descriptors;
pub(super) mod results;

use self::descriptors::{Segment, segments};
use self::results::CopyResult;
use super::block_range::BlockRange;
use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::sense::{AdditionalSense, Sense};
use super::verify::PIECE_BYTES;
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability};

/// Copy targets and segments of one command, and the bytes of their descriptors.
const MAX_TARGETS: usize = 2;
const MAX_SEGMENTS: usize = 16;
const MAX_DESCRIPTOR_BYTES: usize = 1024;
/// More than any good list has.
const MAX_LIST_BYTES: u32 = 1 << 16;

pub(super) fn data_out_bytes(cdb: &Cdb) -> u64 {
    u64::from(cdb.u32_at(10).min(MAX_LIST_BYTES))
}

pub(super) async fn extended_copy<D: BlockDevice>(call: &Call<'_, D>, list: &AlignedBuf) -> Outcome {
    let length = call.cdb.u32_at(10) as usize;
    if length == 0 {
        return Ok(Completion::good());
    }
    let list = list.get(..length).ok_or(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR))?;
    let segments = segments(list, call.unit.identity.naa, call.unit.size_bytes())?;
    let mut result = CopyResult::default();
    let copied = copy_all(call, &segments, &mut result).await;
    result.is_good = copied.is_ok();
    call.nexus.copies.keep(list, result);
    copied.map(|()| Completion::good())
}

async fn copy_all<D: BlockDevice>(
    call: &Call<'_, D>,
    segments: &[Segment],
    result: &mut CopyResult,
) -> Result<(), Failure> {
    for segment in segments {
        copy(call, *segment).await?;
        result.segments += 1;
        result.bytes += segment.from.length;
    }
    Ok(())
}

/// Piece by piece; from the end where the destination lies on the rest of the source.
async fn copy<D: BlockDevice>(call: &Call<'_, D>, Segment { from, to }: Segment) -> Result<(), Failure> {
    let pieces = from.length.div_ceil(u64::from(PIECE_BYTES));
    let backwards = to > from.offset && to < from.offset + from.length;
    for piece in 0..pieces {
        let piece = if backwards { pieces - 1 - piece } else { piece };
        let start = piece * u64::from(PIECE_BYTES);
        let length = (from.length - start).min(u64::from(PIECE_BYTES));
        copy_piece(call, BlockRange { offset: from.offset + start, length }, to + start).await?;
    }
    Ok(())
}

async fn copy_piece<D: BlockDevice>(call: &Call<'_, D>, from: BlockRange, to: u64) -> Result<(), Failure> {
    let data = call.unit.device.read(from.offset, from.length as u32).await;
    let data = data.map_err(|error| Failure::of_read(&error))?;
    let written = call.unit.device.write(to, data, Durability::Written).await;
    written.map_err(|error| Failure::of_write(&error))
}
