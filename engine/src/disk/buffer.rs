//! An owned buffer whose memory is aligned for `O_DIRECT`.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{BLOCK_SIZE, pool};

/// One block of memory with the alignment that direct I/O wants. `Vec<Block>` is how the buffer gets aligned
/// memory without `unsafe`.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Block([u8; BLOCK_SIZE as usize]);

const ZERO_BLOCK: Block = Block([0; BLOCK_SIZE as usize]);

/// Bytes in memory aligned to [`BLOCK_SIZE`]. The length is in bytes and need not be a multiple of the block
/// size; [`AlignedBuf::padded`] gives the whole blocks behind it.
#[derive(Clone, Default)]
pub struct AlignedBuf {
    blocks: Vec<Block>,
    len: usize,
}

impl AlignedBuf {
    /// A buffer of `len` zero bytes.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let count = len.div_ceil(BLOCK_SIZE as usize);
        let Some(mut blocks) = pool::take(count) else { return Self { blocks: vec![ZERO_BLOCK; count], len } };
        blocks.fill(ZERO_BLOCK);
        Self { blocks, len }
    }

    /// A buffer of `len` bytes whose content is left over from another one: for a caller that fills all of it. What lies
    /// behind `len` in the last block is zero.
    #[must_use]
    pub fn for_filling(len: usize) -> Self {
        let count = len.div_ceil(BLOCK_SIZE as usize);
        let Some(blocks) = pool::take(count) else { return Self::zeroed(len) };
        let mut buffer = Self { blocks, len };
        buffer.padded_mut()[len..].fill(0);
        buffer
    }

    /// A buffer with a copy of `bytes`.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::for_filling(bytes.len());
        buffer.copy_from_slice(bytes);
        buffer
    }

    /// The bytes and the padding up to the next block boundary.
    #[must_use]
    pub fn padded(&self) -> &[u8] {
        crate::sys::bytes::of_blocks(&self.blocks)
    }

    /// Like [`AlignedBuf::padded`], to write into.
    #[must_use]
    pub fn padded_mut(&mut self) -> &mut [u8] {
        crate::sys::bytes::of_blocks_mut(&mut self.blocks)
    }

    /// Cuts the buffer to `len` bytes, and to the blocks that these take; what lies behind `len` in the last one is zero
    /// then, so that nobody writes more than was meant. Longer than now has no effect.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.blocks.truncate(len.div_ceil(BLOCK_SIZE as usize));
        self.len = len;
        self.padded_mut()[len..].fill(0);
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut self.blocks));
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.padded()[..self.len]
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.padded_mut()[..len]
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AlignedBuf({} bytes)", self.len)
    }
}

// Private to this module and `sys::bytes`: the only type whose bytes are looked at as a slice.
pub(crate) use sealed::PlainBlock;
mod sealed {
    /// A type without padding and without invalid bit patterns.
    pub(crate) trait PlainBlock {}
    impl PlainBlock for super::Block {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_zero_and_keeps_its_length() {
        for len in [0, 1, 511, 4096, 4097, 1 << 20] {
            let mut buffer = AlignedBuf::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.padded().len() % 4096, 0);
            assert_eq!(buffer.padded().as_ptr() as usize % 4096, 0);
            assert!(buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
            assert!(buffer.padded()[len..].iter().all(|&byte| byte == 0), "padding stays untouched");
        }
    }

    #[test]
    fn copy_and_truncate() {
        let mut buffer = AlignedBuf::copy_of(b"aurochs");
        buffer.truncate(3);
        assert_eq!(&buffer[..], b"aur");
        buffer.truncate(100);
        assert_eq!(buffer.len(), 3);
        assert!(buffer.padded()[3..].iter().all(|&byte| byte == 0));
        let mut buffer = AlignedBuf::copy_of(&[7; 3 * 4096]);
        buffer.truncate(4097);
        assert_eq!(buffer.padded().len(), 2 * 4096, "only the blocks that are left");
        assert!(buffer.padded()[4097..].iter().all(|&byte| byte == 0));
        buffer.truncate(0);
        assert!(buffer.padded().is_empty());
    }
}
