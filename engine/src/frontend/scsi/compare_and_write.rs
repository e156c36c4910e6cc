//! COMPARE AND WRITE and ORWRITE: commands that read and write a range as one, for everybody who uses the volume.

use super::block_range::{Addressed, BlockRange};
use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::read_write::{durability, transfer, whole_blocks};
use super::sense::Sense;
use super::verify::first_difference;
use super::{BLOCK_BYTES, MAX_COMPARE_AND_WRITE_BLOCKS};
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Unchanged};

/// The range to compare and write: the number of blocks has one byte only, byte 13.
fn compared_range(cdb: &Cdb, size_bytes: u64) -> Result<BlockRange, Sense> {
    Addressed { lba: cdb.u64_at(2), blocks: u64::from(cdb.byte(13)) }.on_device(size_bytes)
}

/// Data-out of COMPARE AND WRITE: the blocks to compare with, then the blocks to write.
pub(super) fn data_out_bytes(cdb: &Cdb, size_bytes: u64) -> Result<u64, Sense> {
    Ok(compared_range(cdb, size_bytes)?.length * 2)
}

/// # Errors
/// MISCOMPARE with the offset of the first byte that differs; nothing is written then. INVALID FIELD IN CDB when the
/// data announced are not twice the blocks.
pub(super) async fn compare_and_write<D: BlockDevice>(call: &Call<'_, D>, data: AlignedBuf) -> Outcome {
    let range = compared_range(call.cdb, call.unit.size_bytes())?;
    if call.offered_bytes != range.length * 2 || data.len() as u64 != range.length * 2 {
        return Err(Sense::invalid_cdb_byte(13).into());
    }
    if range.length == 0 {
        return Ok(Completion::good());
    }
    let length = range.length as u32;
    let changed = call.unit.device.read_modify_write(range.offset, length, durability(call.cdb), move |current| {
        let (expected, new) = data.split_at(current.len());
        match first_difference(&current, expected) {
            Some(at) => Err(Sense::miscompare(at as u32)),
            None => Ok(AlignedBuf::copy_of(new)),
        }
    });
    outcome(changed.await)
}

/// ORWRITE (16): the bits of the data-out are set on the medium.
pub(super) async fn or_write<D: BlockDevice>(call: &Call<'_, D>, mut data: AlignedBuf) -> Outcome {
    let (range, length) = transfer(call.cdb, call.unit.size_bytes())?;
    call.check_data_out(&data, length.into())?;
    data.truncate(whole_blocks(data.len().min(length as usize)));
    if data.is_empty() {
        return Ok(Completion::good());
    }
    let length = data.len() as u32;
    let changed = call.unit.device.read_modify_write(range.offset, length, durability(call.cdb), move |mut current| {
        for (byte, set) in current.iter_mut().zip(data.iter()) {
            *byte |= set;
        }
        Ok(current)
    });
    outcome(changed.await)
}

fn outcome(changed: Result<(), Unchanged<Sense>>) -> Outcome {
    match changed {
        Ok(()) => Ok(Completion::good()),
        Err(Unchanged::Declined(sense)) => Err(sense.into()),
        Err(Unchanged::NotRead(error)) => Err(Failure::of_read(&error)),
        Err(Unchanged::NotWritten(error)) => Err(Failure::of_write(&error)),
    }
}

const _: () = assert!(MAX_COMPARE_AND_WRITE_BLOCKS as u64 * BLOCK_BYTES * 2 <= super::MAX_TRANSFER_BYTES);
