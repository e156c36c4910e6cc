//! READ CAPACITY (10) and (16).

use super::completion::{Completion, Outcome};
use super::nexus::Call;
use super::{BLOCK_BYTES, BLOCKS_PER_PHYSICAL_BLOCK_EXPONENT};
use crate::frontend::BlockDevice;

/// READ CAPACITY (10): last LBA u32 (all ones: ask with READ CAPACITY (16)), block length u32.
pub(super) fn read_capacity_10<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let last = last_lba(call);
    let mut data = u32::try_from(last).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    data.extend((BLOCK_BYTES as u32).to_be_bytes());
    Ok(Completion::parameters(data, usize::MAX))
}

/// READ CAPACITY (16), 32 bytes:
///
/// | bytes | what |
/// |---|---|
/// | 0–7 | last LBA |
/// | 8–11 | block length |
/// | 13 | physical block exponent |
/// | 14, 15 | LBPME (blocks can be unmapped), LBPRZ (not promised: an unmapped block may show an older snapshot), lowest aligned LBA 0 |
pub(super) fn read_capacity_16<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let mut data = vec![0; 32];
    data[..8].copy_from_slice(&last_lba(call).to_be_bytes());
    data[8..12].copy_from_slice(&(BLOCK_BYTES as u32).to_be_bytes());
    data[13] = BLOCKS_PER_PHYSICAL_BLOCK_EXPONENT;
    data[14] = 0x80;
    Ok(Completion::parameters(data, call.cdb.u32_at(10) as usize))
}

fn last_lba<D: BlockDevice>(call: &Call<'_, D>) -> u64 {
    (call.unit.size_bytes() / BLOCK_BYTES).saturating_sub(1)
}
