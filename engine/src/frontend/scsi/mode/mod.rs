//! MODE SENSE and MODE SELECT, (6) and (10).

pub(super) mod pages;
pub(super) mod select;
pub(super) mod sense;

use super::BLOCK_BYTES;
use super::cdb::Cdb;

/// The short block descriptor: number of blocks u32 (all ones: more), block length u24.
fn block_descriptor(size_bytes: u64) -> [u8; 8] {
    let blocks = u32::try_from(size_bytes / BLOCK_BYTES).unwrap_or(u32::MAX).to_be_bytes();
    let length = (BLOCK_BYTES as u32).to_be_bytes();
    [blocks[0], blocks[1], blocks[2], blocks[3], 0, length[1], length[2], length[3]]
}

/// Whether the CDB is the ten byte form, whose parameter header has eight bytes instead of four.
fn is_long(cdb: &Cdb) -> bool {
    cdb.opcode() >> 5 != 0
}
