//! WRITE SAME (10) and (16): one block written many times.

use super::block_range::{Addressed, BlockRange, length_field_byte};
use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::sense::Sense;
use super::{BLOCK_BYTES, MAX_WRITE_SAME_BLOCKS};
use crate::disk::AlignedBuf;
use crate::disk::zeros::is_zero;
use crate::frontend::{BlockDevice, Durability};

/// Repeated data are written in pieces of this size, so that the command takes little memory.
const PIECE_BYTES: u64 = 1 << 20;

/// WRITE SAME (16) only: there is no data-out, zeros are meant.
fn no_data_out(cdb: &Cdb) -> bool {
    cdb.opcode() == 0x93 && cdb.bit(1, 0)
}

/// A number of blocks of 0 means the rest of the disk, which has to be within the limit like any other number.
fn range(cdb: &Cdb, size_bytes: u64) -> Result<BlockRange, Sense> {
    let mut range = Addressed::of(cdb).on_device(size_bytes)?;
    if range.length == 0 {
        range.length = size_bytes / BLOCK_BYTES * BLOCK_BYTES - range.offset;
    }
    if range.length > MAX_WRITE_SAME_BLOCKS * BLOCK_BYTES {
        return Err(Sense::invalid_cdb_byte(length_field_byte(cdb)));
    }
    Ok(range)
}

pub(super) fn data_out_bytes(cdb: &Cdb, size_bytes: u64) -> Result<u64, Sense> {
    range(cdb, size_bytes)?;
    Ok(if no_data_out(cdb) { 0 } else { BLOCK_BYTES })
}

/// With UNMAP, zeros may be had by giving space back; other data are written in any case, since an unmapped block would
/// not read as they do.
///
/// # Errors
/// INVALID FIELD IN CDB when the data announced are not one block (or none, with NDOB).
pub(super) async fn write_same<D: BlockDevice>(call: &Call<'_, D>, data: AlignedBuf) -> Outcome {
    let range = range(call.cdb, call.unit.size_bytes())?;
    let expected = if no_data_out(call.cdb) { 0 } else { BLOCK_BYTES };
    if call.offered_bytes != expected || data.len() as u64 != expected {
        return Err(Sense::invalid_cdb_byte(length_field_byte(call.cdb)).into());
    }
    if range.length == 0 {
        return Ok(Completion::good());
    }
    let may_unmap = call.cdb.bit(1, 3);
    let written = if is_zero(&data) {
        call.unit.device.write_zeroes(range.offset, range.length, may_unmap, Durability::Written).await
    } else {
        repeat(call, range, &data).await
    };
    written.map_err(|error| Failure::of_write(&error))?;
    Ok(Completion::good())
}

async fn repeat<D: BlockDevice>(
    call: &Call<'_, D>,
    range: BlockRange,
    block: &[u8],
) -> Result<(), crate::frontend::IoError> {
    let mut done = 0;
    while done < range.length {
        let length = (range.length - done).min(PIECE_BYTES);
        let mut piece = AlignedBuf::zeroed(length as usize);
        for slot in piece.chunks_exact_mut(block.len()) {
            slot.copy_from_slice(block);
        }
        call.unit.device.write(range.offset + done, piece, Durability::Written).await?;
        done += length;
    }
    Ok(())
}
