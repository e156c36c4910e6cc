//! What goes between the forwarder and a disk. Little-endian; the bytes of a write, or of a read's answer, follow.

/// NBD's numbers.
pub(super) const READ: u16 = 0;
pub(super) const WRITE: u16 = 1;
pub(super) const DISCONNECT: u16 = 2;

/// `kind` u16, zero u16, `slot` u32, `offset` u64, `length` u32.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub(super) kind: u16,
    /// Comes back with the answer.
    pub(super) slot: u32,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// `slot` u32, `length` u32 of the data that follow.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) slot: u32,
    pub(super) length: u32,
}

impl Ask {
    const BYTES: usize = 20;

    pub(super) fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&u32::from(self.kind).to_le_bytes());
        into.extend_from_slice(&self.slot.to_le_bytes());
        into.extend_from_slice(&self.offset.to_le_bytes());
        into.extend_from_slice(&self.length.to_le_bytes());
    }

    /// The first of `bytes` with its payload, if all of it is there.
    pub(super) fn first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(Self::BYTES)?;
        let ask = Self {
            kind: number(&head[0..2]) as u16,
            slot: number(&head[4..8]) as u32,
            offset: number(&head[8..16]),
            length: number(&head[16..20]) as u32,
        };
        let payload = if ask.kind == WRITE { ask.length as usize } else { 0 };
        Some((ask, rest.get(..payload)?))
    }

    pub(super) fn size(payload: &[u8]) -> usize {
        Self::BYTES + payload.len()
    }
}

impl Answer {
    const BYTES: usize = 8;

    pub(super) fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.slot.to_le_bytes());
        into.extend_from_slice(&self.length.to_le_bytes());
    }

    pub(super) fn first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(Self::BYTES)?;
        let answer = Self { slot: number(&head[0..4]) as u32, length: number(&head[4..8]) as u32 };
        Some((answer, rest.get(..answer.length as usize)?))
    }

    pub(super) fn size(data: &[u8]) -> usize {
        Self::BYTES + data.len()
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
