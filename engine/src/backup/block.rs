//! Blocks: what they are called, and what is in their files (formats.md §11).
//!
//! | | |
//! |---|---|
//! | name | SHA-512 of the uncompressed block, the first 32 bytes of it, in hexadecimal digits |
//! | `none` | the block as it is |
//! | `gzip` | one gzip member |
//! | `lz4` | one LZ4 *frame*: independent blocks of at most 4 MiB, checksum of the content at the end |
//!
//! Invariant: **no bytes leave [`Block::decode`] that do not have the checksum they were asked by.** Test:
//! `a_flipped_bit_is_never_returned`.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use aurochs_sha512::LANES;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use sha2::{Digest, Sha512};

/// Largest block of a frame of LZ4, in bytes: that of Longhorn's frames.
const FRAME_BLOCK: usize = 4 << 20;
/// What each of Longhorn's frames begins with: magic number and descriptor.
const FRAME_HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9];
/// Set in the size of a frame's block that is stored as it is.
const AS_IT_IS: u32 = 1 << 31;

/// Largest block that is read: a damaged file must not take more memory than this.
pub const LARGEST_BLOCK: u64 = 64 << 20;

/// What a block is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Of one piece.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(data);
        hasher.finish()
    }

    fn from_digest(digest: &[u8; 64]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&digest[..32]);
        Self(bytes)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        for (byte, digits) in self.0.iter().zip(text.chunks_exact_mut(2)) {
            digits[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            digits[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        formatter.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Checksum {
    type Err = String;

    /// 64 lower-case hexadecimal digits, as every file's name and every list has them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(format!("{text:?} is no checksum of a block, which has 64 hexadecimal digits"));
        }
        for (place, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(digits[0]), digit(digits[1])) else {
                return Err(format!("{text:?} is no checksum of a block: it has other characters than 0-9 and a-f"));
            };
            *place = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// Takes a block piece by piece.
#[derive(Debug, Default)]
pub struct Hasher(Sha512);

impl Hasher {
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    #[must_use]
    pub fn finish(self) -> Checksum {
        Checksum::from_digest(&self.0.finalize().into())
    }
}

/// Checksums of blocks that are given in pieces. Several of the same length take less time together than one by one.
#[must_use]
pub fn checksums(blocks: &[Vec<Bytes>]) -> Vec<Checksum> {
    let together = |blocks: &[Vec<Bytes>]| {
        let [first, _, ..] = blocks else { return None };
        // What is too few is made up for with the first one.
        let lanes: [&[Bytes]; LANES] = std::array::from_fn(|lane| &blocks.get(lane).unwrap_or(first)[..]);
        let digests = aurochs_sha512::digests(lanes)?;
        Some(digests.iter().take(blocks.len()).map(Checksum::from_digest).collect())
    };
    let alone = |block: &Vec<Bytes>| {
        let mut hasher = Hasher::default();
        block.iter().for_each(|piece| hasher.update(piece));
        hasher.finish()
    };
    let checksums = blocks.chunks(LANES).map(|some| together(some).unwrap_or_else(|| some.iter().map(alone).collect()));
    checksums.collect::<Vec<Vec<_>>>().concat()
}

/// How blocks are compressed. The first backup of a volume decides it for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    #[default]
    Lz4,
}

impl Compression {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = String;

    /// Empty is what backups from before there was a choice have: gzip.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "gzip" | "" => Ok(Self::Gzip),
            "lz4" => Ok(Self::Lz4),
            other => Err(format!("{other:?} is no compression; it is none, gzip or lz4")),
        }
    }
}

/// Compresses blocks one after the other. What LZ4 needs beside a block stays for the next one: megabytes that are taken
/// from the system anew for each block cost three times what the compression does.
#[derive(Default)]
pub struct Encoder(Option<FrameEncoder<Vec<u8>>>);

impl Encoder {
    /// Bytes that it keeps for blocks of `block_size` bytes: a block of a frame as it came, and compressed.
    #[must_use]
    pub fn memory(block_size: u64) -> u64 {
        2 * block_size.min(FRAME_BLOCK as u64)
    }

    /// Compresses a block that is given in pieces, each of which is let go of when it has been used. Takes a while: for
    /// threads that may.
    ///
    /// # Errors
    /// None that the caller can cause; the encoders have the type.
    pub fn encode(&mut self, compression: Compression, pieces: Vec<Bytes>) -> io::Result<Vec<u8>> {
        let length = pieces.iter().map(Bytes::len).sum();
        match compression {
            Compression::None => {
                let mut whole = Vec::with_capacity(length);
                pieces.into_iter().for_each(|piece| whole.extend_from_slice(&piece));
                Ok(whole)
            }
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(length / 4), flate2::Compression::default());
                for piece in pieces {
                    encoder.write_all(&piece)?;
                }
                encoder.finish()
            }
            Compression::Lz4 => {
                // One that failed is not used again.
                let kept = self.0.take();
                let mut encoder = kept.unwrap_or_else(|| FrameEncoder::with_frame_info(lz4_frame(), Vec::new()));
                // Memory that is not touched takes none, and growing would take twice as much for a moment.
                *encoder.get_mut() = Vec::with_capacity(length + length / 128 + 64);
                for piece in pieces {
                    encoder.write_all(&piece)?;
                }
                encoder.try_finish().map_err(io::Error::other)?;
                let file = std::mem::take(encoder.get_mut());
                self.0 = Some(encoder);
                Ok(file)
            }
        }
    }
}

/// The descriptor of Longhorn's frames: `64 70 b9`.
fn lz4_frame() -> FrameInfo {
    FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max4MB)
        .block_checksums(false)
        .content_checksum(true)
        .content_size(None)
}

/// Why a block's file does not give the block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("it cannot be uncompressed: {0}")]
    Compression(String),
    #[error("it holds {found} bytes, and the block has {expected}")]
    Length { found: u64, expected: u64 },
    #[error("the checksum of its content is {found}")]
    Checksum { found: Checksum },
}

/// Uncompresses a block's file of `length` bytes of content and checks it. `compression` is what the backup's record
/// says; where it is wrong between gzip and lz4, the file's first bytes decide, as Longhorn does it. Takes a while.
///
/// # Errors
/// [`DecodeError`]: then nobody sees what came out.
pub fn decode(compression: Compression, file: &Bytes, length: u64, checksum: &Checksum) -> Result<Bytes, DecodeError> {
    let content = Unchecked::of_file(compression, file, length)?;
    let found = Checksum::of(&content.0);
    content.checked(found, checksum, length)
}

/// What came out of a block's file, as long as nobody knows whether it is the block.
pub(super) struct Unchecked(Bytes);

impl Unchecked {
    /// As [`decode`], without the check.
    pub(super) fn of_file(compression: Compression, file: &Bytes, length: u64) -> Result<Self, DecodeError> {
        uncompress(compression, file, length).map(Self)
    }

    /// For [`checksums`].
    pub(super) fn pieces(&self) -> Vec<Bytes> {
        vec![self.0.clone()]
    }

    /// `found` is its checksum, `checksum` the block's.
    pub(super) fn checked(self, found: Checksum, checksum: &Checksum, length: u64) -> Result<Bytes, DecodeError> {
        if found != *checksum {
            return Err(DecodeError::Checksum { found });
        }
        if self.0.len() as u64 != length {
            return Err(DecodeError::Length { found: self.0.len() as u64, expected: length });
        }
        Ok(self.0)
    }
}

fn uncompress(compression: Compression, file: &Bytes, length: u64) -> Result<Bytes, DecodeError> {
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
    let compression = match compression {
        Compression::Gzip if file.starts_with(&FRAME_HEAD[..4]) => Compression::Lz4,
        Compression::Lz4 if file.starts_with(&GZIP_MAGIC) => Compression::Gzip,
        other => other,
    };
    match compression {
        Compression::None => Ok(file.clone()),
        Compression::Gzip => read_all(MultiGzDecoder::new(&file[..]), length),
        Compression::Lz4 => match of_longhorn(file, length) {
            Some(content) => Ok(content.into()),
            None => read_all(FrameDecoder::new(&file[..]), length),
        },
    }
}

/// The content of a frame as Longhorn and [`Encoder`] make it, straight into its place. None for any other one, and for what
/// is damaged, of which the library can tell more. The frame's own checksum is not looked at: the block's is.
fn of_longhorn(file: &[u8], length: u64) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(&FRAME_HEAD)?;
    let mut content = vec![0; usize::try_from(length.min(LARGEST_BLOCK)).ok()?];
    let mut filled = 0;
    loop {
        let (size, behind) = rest.split_first_chunk()?;
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            return (filled == content.len() && behind.len() == size_of::<u32>()).then_some(content);
        }
        let (data, behind) = behind.split_at_checked((size & !AS_IT_IS) as usize)?;
        let end = content.len().min(filled + FRAME_BLOCK);
        let place = &mut content[filled..end];
        filled += if size & AS_IT_IS == 0 {
            lz4_flex::block::decompress_into(data, place).ok()?
        } else {
            place.get_mut(..data.len())?.copy_from_slice(data);
            data.len()
        };
        rest = behind;
    }
}

/// Everything, if it is not more than `length` bytes.
fn read_all(decoder: impl Read, length: u64) -> Result<Bytes, DecodeError> {
    let expected = length;
    let mut content = Vec::with_capacity(expected.min(LARGEST_BLOCK) as usize);
    // One byte more tells a file that has more, without reading all of it.
    decoder
        .take(expected + 1)
        .read_to_end(&mut content)
        .map_err(|error| DecodeError::Compression(error.to_string()))?;
    let found = content.len() as u64;
    if found > expected {
        return Err(DecodeError::Length { found, expected });
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let mut byte = |index: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (index / 65536).is_multiple_of(2) { (state >> 24) as u8 } else { (index / 4096) as u8 }
        };
        (0..length).map(&mut byte).collect()
    }

    fn pieces(data: &[u8]) -> Vec<Bytes> {
        data.chunks(1 << 20).map(Bytes::copy_from_slice).collect()
    }

    fn encode(compression: Compression, pieces: Vec<Bytes>) -> io::Result<Vec<u8>> {
        Encoder::default().encode(compression, pieces)
    }

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Lz4];

    #[test]
    fn every_compression_gives_back_what_it_got() {
        for length in [1 << 20, 2 << 20, 16 << 20, 12345] {
            let data = mixed(length);
            let checksum = Checksum::of(&data);
            for compression in ALL {
                let file = Bytes::from(encode(compression, pieces(&data)).unwrap());
                let back = decode(compression, &file, length as u64, &checksum).unwrap();
                assert!(back == data, "{compression} {length}");
            }
        }
    }

    #[test]
    fn headers_are_those_of_longhorn() {
        let data = mixed(2 << 20);
        let lz4 = encode(Compression::Lz4, pieces(&data)).unwrap();
        assert_eq!(lz4[..7], [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9]);
        // The end mark, before the checksum of the content.
        assert_eq!(lz4[lz4.len() - 8..lz4.len() - 4], [0; 4]);
        let gzip = encode(Compression::Gzip, pieces(&data)).unwrap();
        assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    }

    /// A block of 2 MiB is one block of the frame, one of 16 MiB has four.
    #[test]
    fn pieces_do_not_become_blocks_of_the_frame() {
        for (length, expected) in [(2 << 20, 1), (16 << 20, 4)] {
            let frame = encode(Compression::Lz4, pieces(&mixed(length))).unwrap();
            let (mut at, mut blocks) = (7, 0);
            loop {
                let size = u32::from_le_bytes(frame[at..at + 4].try_into().unwrap());
                at += 4;
                if size == 0 {
                    break;
                }
                at += (size & 0x7fff_ffff) as usize;
                blocks += 1;
            }
            assert_eq!((blocks, at + 4), (expected, frame.len()));
        }
    }

    /// What it keeps of one block is not seen in the next one.
    #[test]
    fn an_encoder_gives_every_block_what_a_new_one_gives() {
        let mut encoder = Encoder::default();
        for (round, length) in [5 << 20, 2 << 20, 12345, 2 << 20, 16 << 20, 1 << 20].into_iter().enumerate() {
            let data = mixed(length + round);
            for compression in ALL {
                let kept = encoder.encode(compression, pieces(&data)).unwrap();
                assert!(kept == encode(compression, pieces(&data)).unwrap(), "{compression} {length}");
            }
        }
    }

    /// Both ways to read a frame: ours for those of Longhorn's form, the library's for all others.
    #[test]
    fn frames_of_other_forms_are_read() {
        let data = mixed(3 << 20);
        let checksum = Checksum::of(&data);
        assert!(of_longhorn(&encode(Compression::Lz4, pieces(&data)).unwrap(), data.len() as u64).is_some());
        for (mode, size) in [(BlockMode::Linked, BlockSize::Max64KB), (BlockMode::Independent, BlockSize::Max1MB)] {
            let frame = FrameInfo::new().block_mode(mode).block_size(size).block_checksums(true);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(&data).unwrap();
            let file = Bytes::from(encoder.finish().unwrap());
            assert!(of_longhorn(&file, data.len() as u64).is_none());
            assert!(decode(Compression::Lz4, &file, data.len() as u64, &checksum).unwrap() == data);
        }
    }

    #[test]
    fn a_record_that_is_wrong_about_the_compression_does_not_matter() {
        let data = mixed(1 << 20);
        let checksum = Checksum::of(&data);
        for (real, said) in [(Compression::Gzip, Compression::Lz4), (Compression::Lz4, Compression::Gzip)] {
            let file = Bytes::from(encode(real, pieces(&data)).unwrap());
            assert!(decode(said, &file, data.len() as u64, &checksum).unwrap() == data);
        }
    }

    #[test]
    fn a_flipped_bit_is_never_returned() {
        let data = mixed(100_000);
        let checksum = Checksum::of(&data);
        for compression in ALL {
            let file = encode(compression, pieces(&data)).unwrap();
            for place in (0..file.len()).step_by(97) {
                let mut damaged = file.clone();
                damaged[place] ^= 1 << (place % 8);
                let outcome = decode(compression, &damaged.into(), data.len() as u64, &checksum);
                // Some bits of a header mean nothing.
                assert!(outcome.map_or(true, |content| content == data), "{compression} at {place}");
            }
            let cut = Bytes::copy_from_slice(&file[..file.len() / 2]);
            assert!(decode(compression, &cut, data.len() as u64, &checksum).is_err());
            assert!(decode(compression, &Bytes::new(), data.len() as u64, &checksum).is_err());
        }
    }

    #[test]
    fn a_file_that_unfolds_to_more_than_a_block_is_refused_early() {
        let bomb = Bytes::from(encode(Compression::Gzip, vec![Bytes::from(vec![0; 8 << 20])]).unwrap());
        let outcome = decode(Compression::Gzip, &bomb, 4096, &Checksum::of(&[0; 4096]));
        assert_eq!(outcome, Err(DecodeError::Length { found: 4097, expected: 4096 }));
    }

    #[test]
    fn checksums_have_one_spelling() {
        let checksum = Checksum::of(b"abc");
        assert_eq!(checksum.to_string(), "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a");
        assert_eq!(checksum.to_string().parse(), Ok(checksum));
        for bad in ["", "dd", &"g".repeat(64), &"A".repeat(64), &"ä".repeat(32)] {
            assert!(bad.parse::<Checksum>().is_err(), "{bad}");
        }
    }
}
