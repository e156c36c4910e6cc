//! The SCSI device server of one volume: a direct-access block device as SPC-4 and SBC-3 describe it.
//!
//! A transport (iSCSI) makes one [`LogicalUnit`] per volume and one [`Nexus`] per session. The way of a command:
//! 1. [`Nexus::data_out_length`] — how much data the transport has to collect before it calls
//! 2. [`Nexus::execute`] — [`opcodes`] finds the command in the table of all commands and checks the CDB against it;
//! 3. unit attentions and reservations are looked at, as the command's row in the table wants it;
//! 4. the command's own module carries it out on the [`BlockDevice`](super::BlockDevice) and makes a [`Completion`].
//!
//! Not had: GET LBA STATUS, SANITIZE, WRITE ATOMIC (nothing below promises it), protection information, and what belongs to
//! removable media.
//!
//! Invariants: GOOD to a write means that the device acknowledged it (with FUA: stably), GOOD to SYNCHRONIZE CACHE
//! that the device flushed; nothing in a CDB or in its data makes this module panic or take more memory than
//! [`MAX_TRANSFER_BYTES`] a command.

mod attention;
mod block_range;
mod cache;
mod capacity;
mod cdb;
mod compare_and_write;
mod completion;
mod extended_copy;
mod identity;
mod inquiry;
mod logical_unit;
mod mode;
mod nexus;
mod opcodes;
mod read_write;
mod reservations;
mod sense;
mod status;
mod target;
mod task_set;
mod unmap;
mod verify;
mod write_same;

pub use cdb::Cdb;
pub use completion::{Completion, DataIn, Status};
pub use identity::{Identity, InitiatorPort};
pub use logical_unit::LogicalUnit;
pub use nexus::Nexus;
pub use sense::{AdditionalSense, SENSE_BYTES, Sense, SenseKey};
pub use task_set::{Order, Place, TaskSet};

/// Bytes of a logical block. Longhorn's volumes have had 512 since ever, and partition tables depend on it.
pub const BLOCK_BYTES: u64 = 512;
/// Most bytes one command reads or writes (MAXIMUM TRANSFER LENGTH of the block limits page): what the NBD server
/// takes in one request, too.
pub const MAX_TRANSFER_BYTES: u64 = 32 << 20;
/// The logical block length as the exponent of a physical block of 4096 bytes, the unit that replicas write without
/// reading first.
const BLOCKS_PER_PHYSICAL_BLOCK_EXPONENT: u8 = 3;
/// Most blocks of a WRITE SAME: 512 MiB. Zeros are one request to the device; other data are written piece by piece.
const MAX_WRITE_SAME_BLOCKS: u64 = 1 << 20;
/// Most blocks that one UNMAP may name, 512 MiB, and in how many ranges.
const MAX_UNMAP_BLOCKS: u32 = 1 << 20;
const MAX_UNMAP_DESCRIPTORS: u32 = 256;
/// Most blocks of a COMPARE AND WRITE: what its one-byte field holds.
const MAX_COMPARE_AND_WRITE_BLOCKS: u8 = u8::MAX;
