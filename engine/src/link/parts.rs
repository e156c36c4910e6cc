//! Which parts of a range hold data: a layer with many small holes is moved in large requests, holes and all, and only
//! what is data goes into the file.
//!
//! They stand in the block in front of a `LayerWrite`'s data, behind the name:
//!
//! ```text
//! offset size  field            all little-endian
//!   0     256  layer            file name, zero-padded
//! 256     4    count            0: all of the range
//! 260     8 n  parts            in order: first byte from the start of the range, length
//! ```

use std::ops::Range;

use super::frame::LAYER_NAME_LENGTH;

const NAME: usize = 256;
/// Parts that one request may have.
pub(crate) const PARTS_MAXIMUM: usize = 256;

/// Bytes from the start of a range, each part behind the one before.
pub(crate) type Parts = Vec<Range<u32>>;

/// Puts `parts` into the block in front of the data. There are at most [`PARTS_MAXIMUM`].
pub(super) fn encode(block: &mut [u8], parts: &[Range<u32>]) {
    let words =
        std::iter::once(parts.len() as u32).chain(parts.iter().flat_map(|part| [part.start, part.end - part.start]));
    for (place, word) in block[NAME..LAYER_NAME_LENGTH].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// The parts of a range of `length` bytes that `block` tells of; `None` for nonsense.
pub(super) fn decode(block: &[u8], length: usize) -> Option<Parts> {
    let mut words = block.get(NAME..LAYER_NAME_LENGTH)?.chunks_exact(4).map(|word| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        u32::from_le_bytes(bytes)
    });
    let count = words.next()? as usize;
    if count == 0 {
        return Some(std::iter::once(0..u32::try_from(length).ok()?).collect());
    }
    let mut parts = Parts::new();
    let mut end = 0;
    for _ in 0..(count <= PARTS_MAXIMUM).then_some(count)? {
        let start = words.next()?;
        let part = start..start.checked_add(words.next()?)?;
        if part.is_empty() || part.start < end || part.end as usize > length {
            return None;
        }
        end = part.end;
        parts.push(part);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_nonsense_does_not() {
        let mut block = vec![0; LAYER_NAME_LENGTH];
        let one = |part: Range<u32>| Parts::from_iter(std::iter::once(part));
        assert_eq!(decode(&block, 8192), Some(one(0..8192)));
        let parts: Parts = (0..PARTS_MAXIMUM as u32).map(|index| index * 8192..index * 8192 + 4096).collect();
        encode(&mut block, &parts);
        assert_eq!(decode(&block, 8192 * PARTS_MAXIMUM), Some(parts));
        assert_eq!(decode(&block, 8192), None, "past the end");
        for nonsense in [one(4096..4096), vec![4096..8192, 0..4096], vec![0..8192, 4096..12288]] {
            encode(&mut block, &nonsense);
            assert_eq!(decode(&block, 1 << 20), None, "{nonsense:?}");
        }
        block[NAME..NAME + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&block, 1 << 20), None);
        assert_eq!(decode(&block[..100], 1 << 20), None);
    }
}
