//! The blocks a command is about.

use super::cdb::Cdb;
use super::sense::Sense;
use super::{BLOCK_BYTES, MAX_TRANSFER_BYTES};

/// LBA and number of blocks as they stand in a CDB, not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addressed {
    pub(super) lba: u64,
    pub(super) blocks: u64,
}

impl Addressed {
    /// The fields of the command families of SBC: their places depend on the length of the CDB, which the group
    /// code (the upper three bits of the operation code) tells. READ(6) and WRITE(6) mean 256 by 0.
    pub(super) fn of(cdb: &Cdb) -> Self {
        match cdb.opcode() >> 5 {
            0 => {
                let blocks = match cdb.byte(4) {
                    0 => 256,
                    blocks => u64::from(blocks),
                };
                Self { lba: u64::from(cdb.u32_at(0) & 0x1f_ffff), blocks }
            }
            1 | 2 => Self { lba: u64::from(cdb.u32_at(2)), blocks: u64::from(cdb.u16_at(7)) },
            5 => Self { lba: u64::from(cdb.u32_at(2)), blocks: u64::from(cdb.u32_at(6)) },
            _ => Self { lba: cdb.u64_at(2), blocks: u64::from(cdb.u32_at(10)) },
        }
    }

    /// The range on a device of `size_bytes`.
    ///
    /// # Errors
    /// LBA OUT OF RANGE when it reaches past the end; a range of no blocks may begin at the end, not behind it.
    pub(super) fn on_device(self, size_bytes: u64) -> Result<BlockRange, Sense> {
        let size_blocks = size_bytes / BLOCK_BYTES;
        match self.lba.checked_add(self.blocks) {
            Some(end) if end <= size_blocks => {
                Ok(BlockRange { offset: self.lba * BLOCK_BYTES, length: self.blocks * BLOCK_BYTES })
            }
            _ => Err(Sense::out_of_range()),
        }
    }
}

/// A range that lies on the device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRange {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl BlockRange {
    /// The length of a range that is transferred by one command.
    ///
    /// # Errors
    /// INVALID FIELD IN CDB when it is longer than the block limits page allows.
    pub(super) fn transfer_length(self, length_field_byte: u16) -> Result<u32, Sense> {
        if self.length > MAX_TRANSFER_BYTES {
            return Err(Sense::invalid_cdb_byte(length_field_byte));
        }
        Ok(self.length as u32)
    }
}

/// The first byte of the field with the number of blocks, for field pointers.
pub(super) fn length_field_byte(cdb: &Cdb) -> u16 {
    match cdb.opcode() >> 5 {
        0 => 4,
        1 | 2 => 7,
        5 => 6,
        _ => 10,
    }
}
