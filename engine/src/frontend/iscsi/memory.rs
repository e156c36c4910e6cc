//! How much memory the data of one connection may take.
//!
//! A write of at most a first burst needs no permission: the command window bounds those. Anything larger, and every
//! read, waits until it fits; a write is asked for its data only then.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answer::Memory;
use crate::frontend::scsi::{BLOCK_BYTES, Cdb, MAX_TRANSFER_BYTES};

/// Two of the largest commands, so that one can be on the wire while another is on the disks.
const CONNECTION_BYTES: u64 = 2 * MAX_TRANSFER_BYTES;
/// Permits count in this unit, since a semaphore counts in `u32` and most commands are whole pages.
const UNIT_BYTES: u64 = 4096;

#[derive(Clone, Debug)]
pub(super) struct MemoryLimit(Arc<Semaphore>);

impl MemoryLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new((CONNECTION_BYTES / UNIT_BYTES) as usize)))
    }

    pub(super) fn try_reserve(&self, bytes: u64) -> Option<Memory> {
        Arc::clone(&self.0).try_acquire_many_owned(units(bytes)).ok().map(Memory::of)
    }

    /// Waits until there is room. Whoever came first gets it first.
    pub(super) async fn reserve(&self, bytes: u64) -> Memory {
        // An error would mean that the semaphore is closed, which nobody does.
        Arc::clone(&self.0).acquire_many_owned(units(bytes)).await.map(Memory::of).unwrap_or_default()
    }
}

fn units(bytes: u64) -> u32 {
    // At most the whole, so that whatever is asked for can be had.
    bytes.min(CONNECTION_BYTES).div_ceil(UNIT_BYTES) as u32
}

/// Bytes that a command reads from the volume, as far as they are worth counting: parameter data are not.
pub(super) fn read_bytes(cdb: &Cdb) -> u64 {
    let bytes = cdb.bytes();
    let word = |at: usize| u64::from(u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
    let blocks = match cdb.opcode() {
        // READ (6), (10), (12), (16)
        0x08 if bytes[4] == 0 => 256,
        0x08 => bytes[4].into(),
        0x28 => u16::from_be_bytes([bytes[7], bytes[8]]).into(),
        0xa8 => word(6),
        0x88 => word(10),
        _ => 0,
    };
    (blocks * BLOCK_BYTES).min(MAX_TRANSFER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_much_waits_and_everything_fits_at_last() {
        let limit = MemoryLimit::new();
        let all = limit.try_reserve(u64::MAX).unwrap();
        assert!(limit.try_reserve(1).is_none());
        let waiting = tokio::spawn({
            let limit = limit.clone();
            async move { limit.reserve(MAX_TRANSFER_BYTES).await }
        });
        drop(all);
        let _first = waiting.await.unwrap();
        assert!(limit.try_reserve(MAX_TRANSFER_BYTES).is_some());
    }

    #[test]
    fn reads_are_counted_by_their_cdb() {
        let mut bytes = [0; 16];
        bytes[0] = 0x08;
        assert_eq!(read_bytes(&Cdb::new(bytes)), 256 * 512);
        bytes[0] = 0x28;
        bytes[8] = 8;
        assert_eq!(read_bytes(&Cdb::new(bytes)), 4096);
        bytes[0] = 0x88;
        bytes[10] = 0xff;
        assert_eq!(read_bytes(&Cdb::new(bytes)), MAX_TRANSFER_BYTES);
        assert_eq!(read_bytes(&Cdb::new([0; 16])), 0);
    }
}
