//! Which parts of a layer one request moves: only what is data is sent, however many holes are between.
//!
//! They stand in a block of `LAYER_NAME_LENGTH` bytes, behind the layer's name:
//!
//! ```text
//! offset size  field            all little-endian
//!   0     256  layer            file name, zero-padded
//! 256     4    count            at least 1
//! 260     8 n  parts            in order: first byte, counted from the request's offset; length
//! ```

use std::ops::Range;

use super::frame::{LAYER_NAME_LENGTH, PAYLOAD_MAXIMUM};

const NAME: usize = 256;
/// Parts that one request may have.
pub(crate) const PARTS_MAXIMUM: usize = 256;

/// Bytes from the request's offset, each part behind the one before.
pub(crate) type Parts = Vec<Range<u32>>;

/// Bytes of all parts together; those of a request are bounded far below 4 GiB.
pub(crate) fn bytes_of(parts: &[Range<u32>]) -> u32 {
    parts.iter().map(|part| part.end - part.start).sum()
}

/// Puts `parts` into the block. There are at most [`PARTS_MAXIMUM`].
pub(super) fn encode(block: &mut [u8], parts: &[Range<u32>]) {
    let words =
        std::iter::once(parts.len() as u32).chain(parts.iter().flat_map(|part| [part.start, part.end - part.start]));
    for (place, word) in block[NAME..LAYER_NAME_LENGTH].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// The parts that `block` tells of, `bytes` together; `None` for nonsense, and for more than fits into a frame.
pub(super) fn decode(block: &[u8], bytes: u32) -> Option<Parts> {
    let mut words = block.get(NAME..LAYER_NAME_LENGTH)?.chunks_exact(4).map(|word| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        u32::from_le_bytes(bytes)
    });
    let count = words.next()? as usize;
    let mut parts = Parts::new();
    let (mut end, mut sum) = (0, 0_u32);
    for _ in 0..(1..=PARTS_MAXIMUM).contains(&count).then_some(count)? {
        let (start, length) = (words.next()?, words.next()?);
        if length == 0 || start < end {
            return None;
        }
        end = start.checked_add(length)?;
        sum = sum.checked_add(length)?;
        parts.push(start..end);
    }
    (sum == bytes && bytes <= PAYLOAD_MAXIMUM).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_nonsense_does_not() {
        let mut block = vec![0; LAYER_NAME_LENGTH];
        assert_eq!(decode(&block, 0), None, "there are none");
        let parts: Parts = (0..PARTS_MAXIMUM as u32).map(|index| index * 8192..index * 8192 + 4096).collect();
        encode(&mut block, &parts);
        assert_eq!(decode(&block, bytes_of(&parts)), Some(parts));
        assert_eq!(decode(&block, 4096), None, "not so many bytes");
        for nonsense in [vec![4096..4096], vec![4096..8192, 0..4096], vec![0..8192, 4096..12288]] {
            encode(&mut block, &nonsense);
            assert_eq!(decode(&block, bytes_of(&nonsense)), None, "{nonsense:?}");
        }
        let too_much: Parts = std::iter::once(0..PAYLOAD_MAXIMUM + 4096).collect();
        encode(&mut block, &too_much);
        assert_eq!(decode(&block, bytes_of(&too_much)), None, "more than a frame holds");
        block[NAME..NAME + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&block, 4096), None);
        assert_eq!(decode(&block[..100], 4096), None);
    }
}
