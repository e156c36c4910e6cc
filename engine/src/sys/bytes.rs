//! Looking at blocks of plain memory as bytes.

use crate::disk::buffer::PlainBlock;

/// The bytes of `blocks`.
pub(crate) fn of_blocks<B: PlainBlock>(blocks: &[B]) -> &[u8] {
    // SAFETY: `PlainBlock` types are arrays of bytes without padding, so every byte is initialised; the length is
    // the size of the slice, and the lifetime is that of the borrow.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), size_of_val(blocks)) }
}

/// The bytes of `blocks`, to write into.
pub(crate) fn of_blocks_mut<B: PlainBlock>(blocks: &mut [B]) -> &mut [u8] {
    // SAFETY: as above; every bit pattern is a valid `PlainBlock`, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast::<u8>(), size_of_val(blocks)) }
}
