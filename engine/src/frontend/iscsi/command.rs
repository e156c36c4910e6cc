//! A SCSI command as it comes over the wire (RFC 7143, section 11.3).
//!
//! | bytes | |
//! |---|---|
//! | 1 | final, read, write; in the lower three bits the task attribute |
//! | 20–23 | expected data transfer length |
//! | 24–27 | CmdSN |
//! | 32–47 | CDB |

use super::pdu::Header;
use crate::frontend::scsi::{Cdb, Order};

const READ: u8 = 0x40;
const WRITE: u8 = 0x20;
const EXPECTED_LENGTH: usize = 20;
const CDB: usize = 32;
/// Additional header segments by their types: the rest of a long CDB, and the read length of a bidirectional command.
const EXTENDED_CDB: u8 = 1;
const BIDIRECTIONAL_READ_LENGTH: u8 = 2;

/// Which way the initiator expects data to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    None,
    ToInitiator,
    FromInitiator,
    /// No command of a disk does that; it is refused.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) tag: u32,
    pub(super) lun: [u8; 8],
    pub(super) cmd_sn: u32,
    pub(super) is_immediate: bool,
    /// No data comes unasked after this PDU.
    pub(super) is_final: bool,
    pub(super) direction: Direction,
    pub(super) order: Order,
    /// Bytes that the initiator has to send, or has room for.
    pub(super) expected_bytes: u32,
    pub(super) cdb: Cdb,
    /// The CDB is longer than 16 bytes; no command of a disk is.
    pub(super) is_extended: bool,
}

impl Command {
    pub(super) fn parse(header: &Header, additional_segments: &[u8]) -> Self {
        let flags = header.flags();
        let kinds = segment_kinds(additional_segments);
        let direction = match (flags & READ != 0, flags & WRITE != 0) {
            (false, false) => Direction::None,
            (true, false) => Direction::ToInitiator,
            (false, true) => Direction::FromInitiator,
            (true, true) => Direction::Both,
        };
        Self {
            tag: header.initiator_task_tag(),
            lun: header.lun(),
            cmd_sn: header.cmd_sn(),
            is_immediate: header.is_immediate(),
            is_final: header.is_final(),
            direction: if kinds.contains(&BIDIRECTIONAL_READ_LENGTH) { Direction::Both } else { direction },
            order: match flags & 0x07 {
                2 => Order::Ordered,
                3 => Order::HeadOfQueue,
                _ => Order::Simple,
            },
            expected_bytes: header.u32_at(EXPECTED_LENGTH),
            cdb: Cdb::new(header.array(CDB)),
            is_extended: kinds.contains(&EXTENDED_CDB),
        }
    }

    /// Bytes that the initiator has room for.
    pub(super) fn room_bytes(&self) -> u32 {
        if self.direction == Direction::ToInitiator { self.expected_bytes } else { 0 }
    }

    /// Bytes that the initiator has to send.
    pub(super) fn offered_bytes(&self) -> u32 {
        if matches!(self.direction, Direction::FromInitiator | Direction::Both) { self.expected_bytes } else { 0 }
    }
}

/// Types of the additional header segments. Each starts with its length (2 bytes, without these three) and its type,
/// and is padded to a multiple of 4.
fn segment_kinds(mut segments: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [high, low, kind, rest @ ..] = segments {
        kinds.push(*kind);
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // Three bytes of length and type are read already; the segment ends at a multiple of 4.
        let Some(next) = rest.get((length + 3).next_multiple_of(4) - 3..) else { break };
        segments = next;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::pdu::{at, request};

    #[test]
    fn golden_bytes() {
        let header = Header::response(request::SCSI_COMMAND, 5)
            .with_byte(1, 0xa2)
            .with_lun([0, 1, 0, 0, 0, 0, 0, 0])
            .with_u32(EXPECTED_LENGTH, 4096)
            .with_u32(at::CMD_SN, 77)
            .with_byte(CDB, 0x2a);
        let command = Command::parse(&header, &[]);
        assert_eq!((command.tag, command.cmd_sn, command.lun[1], command.cdb.opcode()), (5, 77, 1, 0x2a));
        assert_eq!((command.direction, command.order), (Direction::FromInitiator, Order::Ordered));
        assert_eq!((command.offered_bytes(), command.room_bytes()), (4096, 0));
        assert!(command.is_final && !command.is_immediate && !command.is_extended);
    }

    #[test]
    fn additional_segments_are_told_apart() {
        // A long CDB of 4 more bytes (length 5 with its reserved byte), then a read length.
        let segments = [0, 5, 1, 0, 9, 9, 9, 9, 0, 5, 2, 0, 0, 0, 16, 0];
        assert_eq!(segment_kinds(&segments), [1, 2]);
        assert_eq!(segment_kinds(&[0xff, 0xff, 1, 0]), [1]);
        assert_eq!(segment_kinds(&[0, 0]), [0u8; 0]);
        let both = Command::parse(&Header::response(request::SCSI_COMMAND, 5), &segments);
        assert!(both.is_extended);
        assert_eq!(both.direction, Direction::Both);
    }
}
