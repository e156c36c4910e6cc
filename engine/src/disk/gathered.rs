//! Reading many parts of a file into one piece of memory.
//!
//! Small holes between parts are read along and thrown away: a request to the disk takes longer than to copy a few
//! blocks.

use std::ops::Range;

use super::image::ImageFile;
use super::{AlignedBuf, BLOCK_SIZE, DiskError};

/// Holes of at most this many bytes are read along.
pub(crate) const HOLE_MAXIMUM: u32 = 2 * BLOCK_SIZE as u32;
/// Bytes of one read with holes, and of the memory for it.
const RUN_MAXIMUM: u32 = 1 << 20;

/// The bytes of `parts`, one behind the other. They are whole blocks in order, counted from `offset`; what lies past the end
/// of the file reads as zeros.
pub(crate) fn read(image: &ImageFile, offset: u64, parts: &[Range<u32>]) -> Result<AlignedBuf, DiskError> {
    let bytes: usize = parts.iter().map(Range::len).sum();
    let mut gathered = AlignedBuf::for_filling(bytes);
    let mut rest = gathered.padded_mut();
    let mut with_holes = AlignedBuf::default();
    for run in parts.chunk_by(joins()) {
        let place = rest.split_off_mut(..run.iter().map(Range::len).sum()).unwrap_or_default();
        let (start, end) = (run[0].start, run[run.len() - 1].end);
        if run.len() == 1 {
            image.read_blocks(offset + u64::from(start), place)?;
            continue;
        }
        if with_holes.is_empty() {
            with_holes = AlignedBuf::for_filling(RUN_MAXIMUM as usize);
        }
        let all = &mut with_holes[..(end - start) as usize];
        image.read_blocks(offset + u64::from(start), all)?;
        keep(run, all, place);
    }
    Ok(gathered)
}

/// Whether a part is read together with the one before it.
fn joins() -> impl FnMut(&Range<u32>, &Range<u32>) -> bool {
    let mut run_start = None;
    move |before, part| {
        let start = *run_start.get_or_insert(before.start);
        let joins = part.start - before.end <= HOLE_MAXIMUM && part.end - start <= RUN_MAXIMUM;
        if !joins {
            run_start = Some(part.start);
        }
        joins
    }
}

/// Puts the parts of a run, which was read with its holes, one behind the other.
fn keep(run: &[Range<u32>], all: &[u8], mut place: &mut [u8]) {
    for part in run {
        let from = (part.start - run[0].start) as usize;
        let Some(here) = place.split_off_mut(..part.len()) else { return };
        here.copy_from_slice(&all[from..from + part.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u32 = BLOCK_SIZE as u32;

    #[test]
    fn parts_follow_each_other_whatever_is_between_them() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let blocks = 4096_u32;
        let image = ImageFile::create(&dir.path().join("a.img"), u64::from(blocks) * BLOCK_SIZE).unwrap();
        let mut content = AlignedBuf::zeroed((blocks * BLOCK) as usize);
        for (index, block) in content.chunks_mut(BLOCK as usize).enumerate() {
            block.fill(index as u8);
            block[..4].copy_from_slice(&(index as u32).to_le_bytes());
        }
        image.write_blocks(0, content.padded()).unwrap();
        let parts_of = |ranges: &[Range<u32>]| -> Vec<Range<u32>> {
            ranges.iter().map(|range| range.start * BLOCK..range.end * BLOCK).collect()
        };
        let every_other: Vec<_> = (0..1000).map(|index| index * 2..index * 2 + 1).collect();
        for ranges in [
            vec![0..1],
            vec![3..5, 6..7, 8..10, 50..51, 53..54, 57..60],
            // One that is longer than a run between small ones.
            vec![0..1, 2..300, 301..302, 303..1000, 1001..1002],
            every_other,
        ] {
            let first = 7;
            let read = read(&image, u64::from(first) * BLOCK_SIZE, &parts_of(&ranges)).unwrap();
            let wanted: Vec<u32> = ranges.into_iter().flatten().map(|block| block + first).collect();
            let got =
                read.chunks(BLOCK as usize).map(|block| u32::from_le_bytes([block[0], block[1], block[2], block[3]]));
            assert!(got.eq(wanted.iter().copied()) && read.len() == wanted.len() * BLOCK as usize);
        }
    }

    #[test]
    fn past_the_end_are_zeros() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let image = ImageFile::create(&dir.path().join("a.img"), 2 * BLOCK_SIZE).unwrap();
        image.write_blocks(0, AlignedBuf::copy_of(&[7; 8192]).padded()).unwrap();
        let read = read(&image, 0, &[0..BLOCK, 2 * BLOCK..3 * BLOCK, 90 * BLOCK..91 * BLOCK]).unwrap();
        assert!(read[..4096].iter().all(|&byte| byte == 7) && read[4096..].iter().all(|&byte| byte == 0));
        assert_eq!(read.len(), 3 * 4096);
    }
}
