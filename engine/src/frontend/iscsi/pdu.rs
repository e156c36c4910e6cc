//! The basic header segment that every iSCSI PDU starts with (RFC 7143, section 11.2).
//!
//! | bytes | |
//! |---|---|
//! | 0 | opcode; bit 6 of a request: immediate |
//! | 1 | flags; bit 7 almost everywhere: final |
//! | 4 | length of the additional header segments in words of 4 bytes |
//! | 5–7 | length of the data segment in bytes, without its padding to 4 |
//! | 8–15 | logical unit number, where there is one |
//! | 16–19 | initiator task tag |
//! | 20–47 | by opcode |

/// Bytes of a basic header segment.
pub(super) const HEADER_BYTES: usize = 48;
/// The tag that says "none".
pub(super) const NO_TAG: u32 = 0xffff_ffff;

pub(super) mod request {
    pub(in super::super) const NOP_OUT: u8 = 0x00;
    pub(in super::super) const SCSI_COMMAND: u8 = 0x01;
    pub(in super::super) const TASK_MANAGEMENT: u8 = 0x02;
    pub(in super::super) const LOGIN: u8 = 0x03;
    pub(in super::super) const TEXT: u8 = 0x04;
    pub(in super::super) const DATA_OUT: u8 = 0x05;
    pub(in super::super) const LOGOUT: u8 = 0x06;
}

pub(super) mod response {
    pub(in super::super) const NOP_IN: u8 = 0x20;
    pub(in super::super) const SCSI_RESPONSE: u8 = 0x21;
    pub(in super::super) const TASK_MANAGEMENT: u8 = 0x22;
    pub(in super::super) const LOGIN: u8 = 0x23;
    pub(in super::super) const TEXT: u8 = 0x24;
    pub(in super::super) const DATA_IN: u8 = 0x25;
    pub(in super::super) const LOGOUT: u8 = 0x26;
    pub(in super::super) const READY_TO_TRANSFER: u8 = 0x31;
    pub(in super::super) const ASYNC_MESSAGE: u8 = 0x32;
    pub(in super::super) const REJECT: u8 = 0x3f;
}

pub(super) mod flag {
    pub(in super::super) const FINAL: u8 = 0x80;
    /// Text and login: more of the same text follows.
    pub(in super::super) const CONTINUE: u8 = 0x40;
}

/// Where fields lie that several PDUs share.
pub(super) mod at {
    pub(in super::super) const TARGET_TRANSFER_TAG: usize = 20;
    /// In requests.
    pub(in super::super) const CMD_SN: usize = 24;
    /// In responses.
    pub(in super::super) const STAT_SN: usize = 24;
    pub(in super::super) const EXP_CMD_SN: usize = 28;
    pub(in super::super) const MAX_CMD_SN: usize = 32;
    pub(in super::super) const DATA_SN: usize = 36;
    pub(in super::super) const BUFFER_OFFSET: usize = 40;
}

/// Why a PDU was rejected (section 11.17.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RejectReason {
    DataDigestError = 0x02,
    SnackRejected = 0x03,
    ProtocolError = 0x04,
    CommandNotSupported = 0x05,
    TooManyImmediateCommands = 0x06,
    TaskInProgress = 0x07,
}

/// The 48 bytes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header([u8; HEADER_BYTES]);

impl Header {
    pub(super) fn of_bytes(bytes: [u8; HEADER_BYTES]) -> Self {
        Self(bytes)
    }

    /// The start of a response: final, of no logical unit, without data.
    pub(super) fn response(opcode: u8, initiator_task_tag: u32) -> Self {
        let mut header = Self([0; HEADER_BYTES]);
        header.0[0] = opcode;
        header.0[1] = flag::FINAL;
        header.with_u32(16, initiator_task_tag)
    }

    pub(super) fn with_u32(mut self, at: usize, value: u32) -> Self {
        self.set_u32(at, value);
        self
    }

    pub(super) fn with_u16(mut self, at: usize, value: u16) -> Self {
        self.0[at..at + 2].copy_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn with_byte(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    pub(super) fn with_lun(mut self, lun: [u8; 8]) -> Self {
        self.0[8..16].copy_from_slice(&lun);
        self
    }

    pub(super) fn set_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// A data segment is far below the 16 MiB that the field can say.
    pub(super) fn set_data_bytes(&mut self, bytes: usize) {
        let length = (bytes as u32).to_be_bytes();
        self.0[5..8].copy_from_slice(&length[1..]);
    }

    pub(super) fn bytes(&self) -> &[u8; HEADER_BYTES] {
        &self.0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.0[0] & 0x3f
    }

    /// Delivered out of the order of CmdSN, without taking a number.
    pub(super) fn is_immediate(&self) -> bool {
        self.0[0] & 0x40 != 0
    }

    pub(super) fn flags(&self) -> u8 {
        self.0[1]
    }

    pub(super) fn is_final(&self) -> bool {
        self.flags() & flag::FINAL != 0
    }

    pub(super) fn continues(&self) -> bool {
        self.flags() & flag::CONTINUE != 0
    }

    pub(super) fn additional_header_bytes(&self) -> usize {
        usize::from(self.0[4]) * 4
    }

    pub(super) fn data_bytes(&self) -> usize {
        u32::from_be_bytes([0, self.0[5], self.0[6], self.0[7]]) as usize
    }

    pub(super) fn lun(&self) -> [u8; 8] {
        self.array(8)
    }

    pub(super) fn initiator_task_tag(&self) -> u32 {
        self.u32_at(16)
    }

    pub(super) fn cmd_sn(&self) -> u32 {
        self.u32_at(at::CMD_SN)
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub(super) fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    pub(super) fn u32_at(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|index| self.0[at + index])
    }
}

/// Bytes that fill a segment up to a multiple of 4.
pub(super) fn padding(bytes: usize) -> usize {
    bytes.wrapping_neg() & 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut header = Header::response(response::DATA_IN, 0x0102_0304)
            .with_u32(at::DATA_SN, 7)
            .with_lun([0, 1, 0, 0, 0, 0, 0, 0]);
        header.set_data_bytes(0x01_2345);
        let mut expected = [0; HEADER_BYTES];
        expected[..8].copy_from_slice(&[0x25, 0x80, 0, 0, 0, 0x01, 0x23, 0x45]);
        expected[9] = 1;
        expected[16..20].copy_from_slice(&[1, 2, 3, 4]);
        expected[39] = 7;
        assert_eq!(header.bytes(), &expected);
        assert_eq!((header.opcode(), header.data_bytes(), header.is_immediate()), (0x25, 0x01_2345, false));
        assert_eq!(header.initiator_task_tag(), 0x0102_0304);
    }

    #[test]
    fn segments_are_padded_to_words() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(padding), [0, 3, 2, 1, 0, 3]);
    }
}
