//! READ and WRITE, 6 to 16.

use super::block_range::{Addressed, BlockRange, length_field_byte};
use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::sense::Sense;
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability};

/// READ. With FUA, what is read is on stable storage: a host that asks so must not see a block that a loss of power would
/// take back.
pub(super) async fn read<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let (range, length) = transfer(call.cdb, call.unit.size_bytes())?;
    if length == 0 {
        return Ok(Completion::good());
    }
    if durability(call.cdb) == Durability::Stable {
        call.unit.device.flush().await.map_err(|error| Failure::of_read(&error))?;
    }
    let data = call.unit.device.read(range.offset, length).await.map_err(|error| Failure::of_read(&error))?;
    Ok(Completion::blocks(data))
}

/// WRITE. When the initiator sent less than the CDB says, the blocks that came whole are written.
pub(super) async fn write<D: BlockDevice>(call: &Call<'_, D>, mut data: AlignedBuf) -> Outcome {
    let (range, length) = transfer(call.cdb, call.unit.size_bytes())?;
    call.check_data_out(&data, length.into())?;
    data.truncate(whole_blocks(data.len().min(length as usize)));
    if !data.is_empty() {
        let written = call.unit.device.write(range.offset, data, durability(call.cdb)).await;
        written.map_err(|error| Failure::of_write(&error))?;
    }
    Ok(Completion::good())
}

/// The range of a command that transfers all its blocks, and its length.
pub(super) fn transfer(cdb: &Cdb, size_bytes: u64) -> Result<(BlockRange, u32), Sense> {
    let range = Addressed::of(cdb).on_device(size_bytes)?;
    Ok((range, range.transfer_length(length_field_byte(cdb))?))
}

/// FUA is bit 3 of byte 1; WRITE (6) has an LBA there.
pub(super) fn durability(cdb: &Cdb) -> Durability {
    let has_fua = cdb.opcode() >> 5 != 0;
    if has_fua && cdb.bit(1, 3) { Durability::Stable } else { Durability::Written }
}

/// As much of `bytes` as are whole blocks.
pub(super) fn whole_blocks(bytes: usize) -> usize {
    let block = super::BLOCK_BYTES as usize;
    bytes / block * block
}
