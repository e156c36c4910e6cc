//! A command descriptor block and the big-endian fields in it.

/// A big-endian field of at most eight bytes, as all of SCSI's are.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The 16 bytes a transport carries. Shorter commands leave the rest zero; longer ones are not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cdb([u8; 16]);

impl Cdb {
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn byte(&self, index: usize) -> u8 {
        self.0[index]
    }

    /// Whether a bit of a byte is set.
    pub(super) fn bit(&self, byte: usize, bit: u8) -> bool {
        self.0[byte] >> bit & 1 == 1
    }

    pub(super) fn u16_at(&self, index: usize) -> u16 {
        u16::from_be_bytes([self.0[index], self.0[index + 1]])
    }

    pub(super) fn u32_at(&self, index: usize) -> u32 {
        u32::from(self.u16_at(index)) << 16 | u32::from(self.u16_at(index + 2))
    }

    pub(super) fn u64_at(&self, index: usize) -> u64 {
        u64::from(self.u32_at(index)) << 32 | u64::from(self.u32_at(index + 4))
    }
}
