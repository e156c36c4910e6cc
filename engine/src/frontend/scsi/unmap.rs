//! UNMAP: ranges whose content nobody needs any more.

use super::block_range::{Addressed, BlockRange};
use super::cdb::{Cdb, number};
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::sense::{AdditionalSense, Sense};
use super::{MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;

const HEADER_BYTES: usize = 8;
const DESCRIPTOR_BYTES: usize = 16;

pub(super) fn data_out_bytes(cdb: &Cdb) -> u64 {
    u64::from(cdb.u16_at(7))
}

/// Nothing is unmapped when any part of the list is wrong.
pub(super) async fn unmap<D: BlockDevice>(call: &Call<'_, D>, list: AlignedBuf) -> Outcome {
    let length = usize::from(call.cdb.u16_at(7));
    if length == 0 {
        return Ok(Completion::good());
    }
    if length < HEADER_BYTES || list.len() < length {
        return Err(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR).into());
    }
    for range in ranges(&list[..length], call.unit.size_bytes())? {
        if range.length > 0 {
            let discarded = call.unit.device.discard(range.offset, range.length).await;
            discarded.map_err(|error| Failure::of_write(&error))?;
        }
    }
    Ok(Completion::good())
}

/// The ranges of a parameter list:
///
/// | bytes | what |
/// |---|---|
/// | 0–1 | length of what follows |
/// | 2–3 | length of the descriptors; an incomplete one at the end is ignored |
/// | 8– | descriptors: LBA u64, blocks u32, reserved u32 |
fn ranges(list: &[u8], size_bytes: u64) -> Result<Vec<BlockRange>, Sense> {
    let length = usize::from(u16::from_be_bytes([list[2], list[3]]));
    let descriptors = &list[HEADER_BYTES..];
    let descriptors = &descriptors[..length.min(descriptors.len())];
    let addressed: Vec<_> = descriptors
        .chunks_exact(DESCRIPTOR_BYTES)
        .map(|descriptor| Addressed { lba: number(&descriptor[..8]), blocks: number(&descriptor[8..12]) })
        .collect();
    let blocks: u64 = addressed.iter().map(|range| range.blocks).sum();
    if addressed.len() > MAX_UNMAP_DESCRIPTORS as usize || blocks > u64::from(MAX_UNMAP_BLOCKS) {
        return Err(Sense::invalid_parameter(2));
    }
    addressed.into_iter().map(|range| range.on_device(size_bytes)).collect()
}
