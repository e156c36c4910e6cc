//! A gzip file (RFC 1952) put together from pieces that were compressed apart.
//!
//! Each piece is a run of deflate blocks (RFC 1951) that ends on a byte and refers to nothing before it ("full
//! flush"), so that any sequence of them is a stream again. The checksum of the whole is combined from theirs.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Text that is kept compressed.
#[derive(Debug)]
pub struct Piece {
    deflated: Vec<u8>,
    checksum: crc32fast::Hasher,
    text_length: usize,
}

impl Piece {
    #[must_use]
    pub fn compress(text: &[u8]) -> Self {
        let mut deflated = Vec::with_capacity(text.len() / 8 + 64);
        let mut compress = Compress::new(Compression::default(), false);
        loop {
            deflated.reserve(text.len() / 16 + 64);
            let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(text.len());
            // It can't fail: there is no dictionary, and there is room.
            let _ = compress.compress_vec(&text[taken..], &mut deflated, FlushCompress::Full);
            // Room that is left says that everything was written.
            if deflated.len() < deflated.capacity() && compress.total_in() == text.len() as u64 {
                break;
            }
        }
        deflated.shrink_to_fit();
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(text);
        Self { deflated, checksum, text_length: text.len() }
    }

    #[must_use]
    pub const fn text_length(&self) -> usize {
        self.text_length
    }

    /// The text again.
    #[must_use]
    pub fn text(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.text_length);
        // There is room for all of it, and it is what we compressed: one call gives the whole.
        let _ = Decompress::new(false).decompress_vec(&self.deflated, &mut text, FlushDecompress::None);
        text.into()
    }
}

/// A file that is being put together.
#[derive(Debug)]
pub struct File {
    bytes: Vec<u8>,
    checksum: crc32fast::Hasher,
    text_length: usize,
}

/// Magic number, deflate, no flags, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty stored block that says that it is the last.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// A stored block has its length in 16 bits.
const STORED_MAXIMUM: usize = u16::MAX as usize;

impl File {
    #[must_use]
    #[expect(clippy::new_without_default, reason = "an empty file is nothing that anybody wants by default")]
    pub fn new() -> Self {
        Self { bytes: HEADER.to_vec(), checksum: crc32fast::Hasher::new(), text_length: 0 }
    }

    /// Appends text as it is.
    pub fn stored(&mut self, text: &[u8]) {
        for block in text.chunks(STORED_MAXIMUM) {
            #[expect(clippy::cast_possible_truncation, reason = "a chunk is no longer than that")]
            let length = block.len() as u16;
            self.bytes.push(0);
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(&(!length).to_le_bytes());
            self.bytes.extend_from_slice(block);
        }
        self.checksum.update(text);
        self.text_length += text.len();
    }

    pub fn piece(&mut self, piece: &Piece) {
        self.bytes.extend_from_slice(&piece.deflated);
        self.checksum.combine(&piece.checksum);
        self.text_length += piece.text_length;
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&LAST_BLOCK);
        self.bytes.extend_from_slice(&self.checksum.finalize().to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the format wants the length modulo 2^32")]
        let length = self.text_length as u32;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn pieces_that_hardly_compress_and_empty_ones_come_back() {
        // A run of a multiplicative generator: no two bytes alike for long.
        let noise: Vec<u8> = (0..300_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect();
        for text in [&noise[..], b"", b"x", &b"ab".repeat(100_000)] {
            let piece = Piece::compress(text);
            assert_eq!(piece.text(), text);
            let mut file = File::new();
            file.stored(&noise);
            file.piece(&piece);
            file.piece(&piece);
            let mut unzipped = Vec::new();
            flate2::read::GzDecoder::new(&*file.finish()).read_to_end(&mut unzipped).unwrap();
            assert!(unzipped == [&noise[..], text, text].concat());
        }
    }
}
