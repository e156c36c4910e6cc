//! Frames of the data link.
//!
//! ```text
//! offset size  field           all little-endian
//!  0     4     magic           "AUR1": the version is in it
//!  4     1     kind            see `Kind`
//!  5     1     flags           bit 0 stable (FUA), bit 1 may unmap
//!  6     2     zero
//!  8     8     id              chosen by the asking side, unique among its requests in flight on the stream
//! 16     8     offset          bytes, volume or file offset
//! 24     4     length          bytes that the request is about
//! 28     4     payload length  bytes that follow the header
//! 32     4     payload CRC-32C 0 when there is no payload
//! 36     4     header CRC-32C  over bytes 0..36
//! 40     n     payload
//! ```
//!
//! A frame whose magic, header checksum or payload checksum is wrong ends the stream: what comes after can't be
//! trusted. The checksums catch what TCP's 16 bits let through and memory that was overwritten on the way.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::disk::AlignedBuf;

pub const HEADER_LENGTH: usize = 40;
const MAGIC: [u8; 4] = *b"AUR1";

/// The largest payload: the largest NBD request (32 MiB), and room for a control answer with thousands of layers.
pub const PAYLOAD_MAXIMUM: u32 = 40 << 20;

/// What a frame is. Requests are below 0x80; an answer has the request's kind with the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Read = 1,
    Write = 2,
    WriteZeroes = 3,
    Discard = 4,
    Flush = 5,
    /// Payload is a JSON `ControlRequest`; the answer's a `ControlReply`.
    Control = 6,
    /// Keeps an idle stream honest.
    Ping = 7,
    /// Raw read of parts of one layer's file, for rebuilds: payload is a block of `LAYER_NAME_LENGTH` bytes with the name and
    /// the parts (`parts`), the answer's their bytes one behind the other.
    LayerRead = 10,
    /// Raw write into one layer's file: payload is such a block, then the bytes of the parts.
    LayerWrite = 11,
    /// What another replica shows of a range in which this one has found a block that is wrong: payload is a block of
    /// `LAYER_NAME_LENGTH` bytes with the layer that it was seen from (none: the head), then the data. The answer's is a JSON
    /// `RepairReport`.
    Repair = 12,
    /// Read of a snapshot's content: payload is the snapshot's name.
    SnapshotRead = 16,
    /// Write into the image of a new snapshot: payload is a block of `LAYER_NAME_LENGTH` bytes with the fill's id, then
    /// the data. With `stable`, all that was filled in before is on stable storage too when the answer comes.
    FillWrite = 17,
    Done = 0x80,
    /// Payload is a JSON `RemoteError`.
    Failed = 0xff,
}

/// Bytes in front of a `LayerWrite`'s data that hold the file name, zero-padded: a whole block keeps the data aligned.
pub const LAYER_NAME_LENGTH: usize = 4096;

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Read,
            2 => Self::Write,
            3 => Self::WriteZeroes,
            4 => Self::Discard,
            5 => Self::Flush,
            6 => Self::Control,
            7 => Self::Ping,
            10 => Self::LayerRead,
            11 => Self::LayerWrite,
            12 => Self::Repair,
            16 => Self::SnapshotRead,
            17 => Self::FillWrite,
            0x80 => Self::Done,
            0xff => Self::Failed,
            _ => return None,
        })
    }
}

/// The part of a frame in front of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// The write has to be on stable storage before the answer.
    pub stable: bool,
    pub may_unmap: bool,
    pub id: u64,
    pub offset: u64,
    pub length: u32,
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the stream does not speak this protocol (first bytes {0:02x?})")]
    Magic([u8; 4]),
    #[error("a frame's header was damaged on the way")]
    HeaderChecksum,
    #[error("a frame of {length} bytes was damaged on the way")]
    PayloadChecksum { length: u32 },
    #[error("a frame of unknown kind {0}")]
    UnknownKind(u8),
    #[error("a frame announces {length} bytes; the limit is {PAYLOAD_MAXIMUM}")]
    TooLong { length: u32 },
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
}

impl Header {
    /// The header's bytes for this payload.
    #[must_use]
    pub fn encode(&self, payload: &[u8]) -> [u8; HEADER_LENGTH] {
        self.encode_with(payload.len(), checksum(payload))
    }

    /// The header's bytes for a payload of this length and [`checksum`].
    pub(super) fn encode_with(&self, payload_length: usize, payload_checksum: u32) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5] = u8::from(self.stable) | u8::from(self.may_unmap) << 1;
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        // Payloads are below `PAYLOAD_MAXIMUM`, far from the end of 32 bits.
        bytes[28..32].copy_from_slice(&u32::try_from(payload_length).unwrap_or(u32::MAX).to_le_bytes());
        bytes[32..36].copy_from_slice(&payload_checksum.to_le_bytes());
        let header_checksum = crc32c::crc32c(&bytes[0..36]);
        bytes[36..40].copy_from_slice(&header_checksum.to_le_bytes());
        bytes
    }

    /// Reads a header; also the payload's length and checksum.
    fn decode(bytes: &[u8; HEADER_LENGTH]) -> Result<(Self, u32, u32), FrameError> {
        let magic = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if magic != MAGIC {
            return Err(FrameError::Magic(magic));
        }
        if crc32c::crc32c(&bytes[0..36]) != u32_at(bytes, 36) {
            return Err(FrameError::HeaderChecksum);
        }
        let kind = Kind::from_byte(bytes[4]).ok_or(FrameError::UnknownKind(bytes[4]))?;
        let payload_length = u32_at(bytes, 28);
        if payload_length > PAYLOAD_MAXIMUM {
            return Err(FrameError::TooLong { length: payload_length });
        }
        let header = Self {
            kind,
            stable: bytes[5] & 1 != 0,
            may_unmap: bytes[5] & 2 != 0,
            id: u64_at(bytes, 8),
            offset: u64_at(bytes, 16),
            length: u32_at(bytes, 24),
        };
        Ok((header, payload_length, u32_at(bytes, 32)))
    }
}

fn u32_at(bytes: &[u8; HEADER_LENGTH], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8; HEADER_LENGTH], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// CRC-32C of a payload; 0 when there is none.
pub(super) fn checksum(payload: &[u8]) -> u32 {
    if payload.is_empty() { 0 } else { crc32c::crc32c(payload) }
}

/// Reads the next frame. `None`: the other side closed the stream between two frames.
pub async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> Result<Option<(Header, AlignedBuf)>, FrameError> {
    let mut bytes = [0; HEADER_LENGTH];
    let mut got = 0;
    while got < HEADER_LENGTH {
        match stream.read(&mut bytes[got..]).await? {
            0 if got == 0 => return Ok(None),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => got += count,
        }
    }
    let (header, length, checksum) = Header::decode(&bytes)?;
    let mut payload = AlignedBuf::for_filling(length as usize);
    stream.read_exact(&mut payload).await?;
    check_payload(&payload, checksum)?;
    Ok(Some((header, payload)))
}

/// Bytes that the frame takes which `bytes` begin with; `None` where its header is not complete.
pub(super) fn announced(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(head) = bytes.first_chunk() else { return Ok(None) };
    let (_, length, _) = Header::decode(head)?;
    Ok(Some(HEADER_LENGTH + length as usize))
}

/// The frame that `bytes` are.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, AlignedBuf), FrameError> {
    let (head, payload) = bytes.split_first_chunk().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let (header, length, checksum) = Header::decode(head)?;
    if payload.len() != length as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    check_payload(payload, checksum)?;
    Ok((header, AlignedBuf::copy_of(payload)))
}

fn check_payload(payload: &[u8], announced: u32) -> Result<(), FrameError> {
    if checksum(payload) == announced || payload.is_empty() {
        return Ok(());
    }
    Err(FrameError::PayloadChecksum { length: payload.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { kind: Kind::Write, stable: true, may_unmap: false, id: 7, offset: 0x1_0000_2000, length: 4 }
    }

    #[test]
    fn golden_bytes() {
        let bytes = header().encode(b"auro");
        assert_eq!(&bytes[..32], b"AUR1\x02\x01\0\0\x07\0\0\0\0\0\0\0\0\x20\0\0\x01\0\0\0\x04\0\0\0\x04\0\0\0");
        assert_eq!(u32_at(&bytes, 32), crc32c::crc32c(b"auro"));
        assert_eq!(u32_at(&bytes, 36), crc32c::crc32c(&bytes[..36]));
    }

    #[tokio::test]
    async fn round_trip_and_end() {
        let mut wire = header().encode(b"auro").to_vec();
        wire.extend_from_slice(b"auro");
        let mut stream = wire.as_slice();
        let (read_back, payload) = read(&mut stream).await.unwrap().unwrap();
        assert_eq!((read_back, &payload[..]), (header(), &b"auro"[..]));
        assert!(read(&mut stream).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn every_damaged_byte_is_noticed() {
        let mut wire = header().encode(b"auro").to_vec();
        wire.extend_from_slice(b"auro");
        for at in 0..wire.len() {
            let mut damaged = wire.clone();
            damaged[at] ^= 0x10;
            assert!(read(&mut damaged.as_slice()).await.is_err(), "byte {at}");
        }
        for end in 1..wire.len() {
            assert!(read(&mut &wire[..end]).await.is_err(), "cut after {end} bytes");
        }
    }
}
