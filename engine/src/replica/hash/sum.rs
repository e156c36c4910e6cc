//! CRC-64/GO-ISO of an image. Holes are zeros, and the long ones are not read but reckoned.

use std::time::{Duration, Instant};

use crc_fast::{CrcAlgorithm, Digest};

use crate::disk::image::ImageFile;
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};

/// Bytes read at once: large enough for the disk, small enough for a request of the volume in between.
const PIECE: u64 = 1 << 20;
/// From this length on, reckoning a hole is cheaper than feeding its zeros.
const LONG_HOLE: u64 = 1 << 20;
/// A single slow read must not stop a hash for long.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(200);

const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64GoIso;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// How far a sum is, after each piece that was read.
pub(crate) struct Step {
    /// Where in the file it is, in bytes; holes before that count.
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: u64,
    /// Without holes.
    pub(crate) read_bytes: u64,
    /// Time the last piece took.
    pub(crate) took: Duration,
}

/// The sum over the whole file, apparent size. `after_piece` is called after every piece and may end it.
pub(crate) fn of_image<E: From<DiskError>>(
    image: &ImageFile,
    mut after_piece: impl FnMut(&Step) -> Result<(), E>,
) -> Result<u64, E> {
    let size = image.size()?;
    let mut reader = Reader { image, size, buffer: AlignedBuf::zeroed(PIECE as usize), sum: Sum::new(), read_bytes: 0 };
    let mut outcome = Ok(());
    image.for_each_extent(0, size, |extent| {
        outcome = reader.extent(extent.offset, extent.offset + extent.length, &mut after_piece);
        outcome.is_ok()
    })?;
    outcome?;
    reader.sum.zeros(size - reader.sum.length);
    Ok(reader.sum.value())
}

struct Reader<'image> {
    image: &'image ImageFile,
    size: u64,
    buffer: AlignedBuf,
    sum: Sum,
    read_bytes: u64,
}

impl Reader<'_> {
    /// Adds the hole before `start`, and the data up to `end`. Extents are rounded to blocks, so that neighbours may
    /// overlap and the last one may reach past the file's end.
    fn extent<E: From<DiskError>>(
        &mut self,
        start: u64,
        end: u64,
        after_piece: &mut impl FnMut(&Step) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = end.min(self.size);
        self.sum.zeros(start.saturating_sub(self.sum.length));
        while self.sum.length < end {
            let started = Instant::now();
            let length = PIECE.min(end - self.sum.length);
            self.piece(length)?;
            self.read_bytes += length;
            after_piece(&Step {
                done_bytes: self.sum.length,
                total_bytes: self.size,
                read_bytes: self.read_bytes,
                took: started.elapsed(),
            })?;
        }
        Ok(())
    }

    fn piece(&mut self, length: u64) -> Result<(), DiskError> {
        let blocks = length.next_multiple_of(BLOCK_SIZE) as usize;
        let memory = &mut self.buffer.padded_mut()[..blocks];
        self.image.read_blocks(self.sum.length, memory)?;
        self.sum.data(&memory[..length as usize]);
        Ok(())
    }
}

struct Sum {
    digest: Digest,
    /// Bytes added so far.
    length: u64,
}

impl Sum {
    fn new() -> Self {
        Self { digest: Digest::new(ALGORITHM), length: 0 }
    }

    fn data(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn zeros(&mut self, length: u64) {
        if length >= LONG_HOLE {
            // Zeros only move the state on, and combining with the sum of nothing does just that.
            let moved = crc_fast::checksum_combine(ALGORITHM, self.digest.get_state(), 0, length);
            self.digest = Digest::new_with_init_state(ALGORITHM, moved);
            self.length += length;
            return;
        }
        let mut left = length;
        while left > 0 {
            let piece = left.min(ZEROS.len() as u64);
            self.data(&ZEROS[..piece as usize]);
            left -= piece;
        }
    }

    fn value(&self) -> u64 {
        self.digest.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gos_crc_64() {
        let mut sum = Sum::new();
        sum.data(b"123456789");
        assert_eq!(sum.value(), 0xb909_56c7_75a4_1001);
    }

    #[test]
    fn reckoned_zeros_equal_read_ones() {
        for length in [0, 1, 4096, LONG_HOLE - 1, LONG_HOLE, LONG_HOLE + 1, 5 << 20] {
            let (mut reckoned, mut read) = (Sum::new(), Sum::new());
            reckoned.data(b"before");
            reckoned.zeros(length);
            reckoned.data(b"after");
            let all = [b"before".as_slice(), &vec![0; length as usize], b"after"].concat();
            read.data(&all);
            assert_eq!((reckoned.value(), reckoned.length), (read.value(), read.length), "{length} zeros");
        }
    }

    #[test]
    fn a_sparse_image_is_summed_as_its_bytes() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = dir.path().join("a.img");
        let image = ImageFile::create(&path, 9 << 20).unwrap();
        for (block, count) in [(0, 1), (3, 2), (700, 300), (2200, 4)] {
            let data = AlignedBuf::copy_of(&vec![(block % 251 + 1) as u8; count * 4096]);
            image.write_blocks(block as u64 * 4096, &data).unwrap();
        }
        let mut read = 0;
        let sum = of_image(&image, |step| {
            read = step.read_bytes;
            Ok::<_, DiskError>(())
        });
        assert_eq!(sum.unwrap(), crc_fast::checksum(ALGORITHM, &std::fs::read(&path).unwrap()));
        assert_eq!(read, 307 * 4096, "holes are not read");
    }
}
