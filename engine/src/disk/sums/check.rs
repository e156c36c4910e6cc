//! Checking what was read against what was written.

use std::sync::Arc;

use super::in_flight::Look;
use super::{BLOCK, Known, SUM, Sums, TOGETHER, is_cached, of_block, pieces};
use crate::disk::image::ImageFile;
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};
use crate::rule;

/// How often a block is read that is not what was written, before that is believed: memory and cables err too.
const LOOKS: usize = 3;

/// A block that does not hold what was written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the block at byte {offset} does not hold what was written into it: its CRC-32C is {found:08x} instead of {known:08x}"
)]
pub(crate) struct BadBlock {
    /// Bytes from the start of the image.
    pub(crate) offset: u64,
    pub(crate) found: u32,
    pub(crate) known: u32,
}

/// What the sums say of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// Nothing was known; this is what it holds.
    News(u32),
    Wrong,
}

fn judge(known: &[u8], block: &[u8]) -> Verdict {
    let known = known.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let found = of_block(block);
    if known == found || rule::is_left_out(rule::READS_ARE_CHECKED) {
        Verdict::Right
    } else if known == 0 {
        Verdict::News(found)
    } else {
        Verdict::Wrong
    }
}

impl Sums {
    /// Whether everything in `data` is what was written at `offset`, as far as that is known, and nothing had to be waited
    /// for. What was not known is, from now on, unless something was changed there since `moment`, before the read.
    /// Otherwise [`Sums::check`] has to look.
    pub(crate) fn check_at_once(self: &Arc<Self>, offset: u64, data: &[u8], moment: u64) -> bool {
        if self.is_lost() {
            return true;
        }
        let Some(file) = self.file.get() else { return false };
        pieces(offset, data).all(|(offset, data)| {
            let mut known: Known = [0; TOGETHER * SUM];
            let known = &mut known[..data.len() / BLOCK * SUM];
            is_cached(file, offset, known) && self.compare(offset, data, known, moment).is_empty()
        })
    }

    /// Checks what was read from `image` at `offset`, and reads again what is wrong.
    ///
    /// # Errors
    /// A [`BadBlock`], or the disk's.
    pub(crate) fn check(
        self: &Arc<Self>,
        image: &ImageFile,
        offset: u64,
        data: &mut [u8],
        moment: u64,
    ) -> Result<(), DiskError> {
        for (at, data) in data.chunks_mut(TOGETHER * BLOCK).enumerate() {
            let offset = offset + (at * TOGETHER * BLOCK) as u64;
            let mut known: Known = [0; TOGETHER * SUM];
            let known = &mut known[..data.len() / BLOCK * SUM];
            self.read(offset, known);
            for wrong in self.compare(offset, data, known, moment) {
                let place = wrong * BLOCK..(wrong + 1) * BLOCK;
                self.look_again(image, offset + place.start as u64, &mut data[place])?;
            }
        }
        Ok(())
    }

    /// Which blocks are wrong. Takes down what was not known of others. Zeros are left out: they may be those of a hole, or
    /// lie past the end.
    fn compare(self: &Arc<Self>, offset: u64, data: &[u8], known: &[u8], moment: u64) -> Vec<usize> {
        let (mut wrong, mut news) = (Vec::new(), Vec::new());
        for (at, (known, block)) in known.chunks_exact(SUM).zip(data.chunks_exact(BLOCK)).enumerate() {
            match judge(known, block) {
                Verdict::Right => {}
                Verdict::Wrong => wrong.push(at),
                Verdict::News(sum) if sum == zeros() => {}
                Verdict::News(sum) => news.push((at, sum)),
            }
        }
        if let Some(file) = self.file.get().filter(|_| !news.is_empty() && !self.is_lost()) {
            for run in news.chunk_by(|one, next| one.0 + 1 == next.0) {
                let sums: Vec<u8> = run.iter().flat_map(|(_, sum)| sum.to_le_bytes()).collect();
                let start = offset + (run[0].0 * BLOCK) as u64;
                let range = start..start + (run.len() * BLOCK) as u64;
                self.in_flight.if_nothing_since(moment, &range, || self.write(file, start, &sums));
            }
        }
        wrong
    }

    /// Reads a block again that is wrong. It is good if it is right then, nothing is known of it any more, or it is a hole.
    fn look_again(self: &Arc<Self>, image: &ImageFile, offset: u64, block: &mut [u8]) -> Result<(), DiskError> {
        let mut bad = BadBlock { offset, found: of_block(block), known: 0 };
        let mut looks = 0;
        while looks < LOOKS {
            let mut again = AlignedBuf::zeroed(BLOCK);
            let read = || image.read_unchecked(offset, again.padded_mut()).map(|()| self.of_one(offset));
            let Look::Undisturbed(known) = self.in_flight.look(offset, read) else { continue };
            bad = BadBlock { found: of_block(&again), known: known?, ..bad };
            if bad.known == 0 || bad.known == bad.found {
                block.copy_from_slice(&again);
                return Ok(());
            }
            looks += 1;
        }
        let mut is_hole = true;
        image.for_each_extent(offset, offset + BLOCK_SIZE, |_| {
            is_hole = false;
            false
        })?;
        if is_hole {
            return Ok(());
        }
        Err(image.error("read", std::io::Error::new(std::io::ErrorKind::InvalidData, bad)))
    }
}

fn zeros() -> u32 {
    static ZEROS: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| of_block(&[0; BLOCK]));
    *ZEROS
}
