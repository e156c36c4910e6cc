//! `aurochs.regions` on the disk. Longhorn ignores the file.
//!
//! Pages of 4096 bytes, numbers in little endian. Page 0 says what the others are about:
//!
//! | byte | length | what |
//! |---|---|---|
//! | 0 | 8 | `aurregn1`, with the version at its end |
//! | 8 | 8 | size of the volume in bytes |
//! | 16 | 8 | size of a region in bytes |
//! | 24 | 32 | up to two [`MetaMark`]s of `volume.meta`: inode (0: none), time of change in nanoseconds since 1970 |
//! | 56 | 4036 | zeros |
//! | 4092 | 4 | CRC-32C of what comes before |
//!
//! Each other page holds the bits of 32,704 regions, the first one's in the lowest bit of the first byte:
//!
//! | byte | length | what |
//! |---|---|---|
//! | 0 | 4088 | bits; a region is dirty where its bit is set |
//! | 4088 | 4 | number of the page, from 1 |
//! | 4092 | 4 | CRC-32C of what comes before |
//!
//! A page is written in place, and a power cut may leave any mixture of its old and new bytes. Then its checksum is wrong,
//! and all its regions are dirty; a header that is wrong makes all regions of the volume dirty.

use super::bits::{Bits, WORD_BYTES};
use crate::disk::BLOCK_SIZE;

/// Unit of writing.
pub(super) const PAGE: usize = BLOCK_SIZE as usize;
/// Words of bits in a page.
pub(super) const PAGE_WORDS: usize = (PAGE - 8) / WORD_BYTES;

const MAGIC: &[u8; 8] = b"aurregn1";
const MARKS_AT: usize = 24;
const MARK_BYTES: usize = 16;
const NUMBER_AT: usize = PAGE - 8;
const CHECKSUM_AT: usize = PAGE - 4;

/// Which `volume.meta` the log was kept under. Whoever opens a directory to write replaces that file, this program and
/// Longhorn alike, so that a log of an earlier opening is never taken for that of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetaMark {
    /// Of the file; 0 is none.
    pub(super) inode: u64,
    /// When its content was written: nanoseconds since 1970. A rename does not change that.
    pub(super) written: i64,
}

/// The file that is in force, and one that may take its place at any moment.
pub(super) type MetaMarks = [Option<MetaMark>; 2];

/// Size of a region of a volume, in bytes: a MiB, or what keeps the log of a larger volume at 262,144 regions.
pub(super) fn region_size(volume_size: u64) -> u64 {
    const SMALLEST: u64 = 1 << 20;
    const MOST_REGIONS: u64 = 1 << 18;
    volume_size.div_ceil(MOST_REGIONS).next_power_of_two().max(SMALLEST)
}

/// How many regions a volume has.
pub(super) fn region_count(volume_size: u64) -> u64 {
    volume_size.div_ceil(region_size(volume_size))
}

/// The whole file.
pub(super) fn encode(volume_size: u64, marks: &MetaMarks, bits: &Bits) -> Vec<u8> {
    let mut file = header(volume_size, marks);
    for number in 1..=page_count(bits) {
        file.extend(page(number, bits));
    }
    file
}

/// How many pages hold the bits; they are numbered from 1.
pub(super) fn page_count(bits: &Bits) -> usize {
    bits.words().len().div_ceil(PAGE_WORDS)
}

pub(super) fn header(volume_size: u64, marks: &MetaMarks) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[..8].copy_from_slice(MAGIC);
    page[8..16].copy_from_slice(&volume_size.to_le_bytes());
    page[16..24].copy_from_slice(&region_size(volume_size).to_le_bytes());
    for (place, mark) in page[MARKS_AT..].chunks_exact_mut(MARK_BYTES).zip(marks.iter().flatten()) {
        place[..8].copy_from_slice(&mark.inode.to_le_bytes());
        place[8..].copy_from_slice(&mark.written.to_le_bytes());
    }
    seal(&mut page);
    page
}

pub(super) fn page(number: usize, bits: &Bits) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    for (place, word) in page.chunks_exact_mut(WORD_BYTES).zip(words_of(number, bits.words())) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    page[NUMBER_AT..CHECKSUM_AT].copy_from_slice(&(number as u32).to_le_bytes());
    seal(&mut page);
    page
}

/// The words that a page holds.
pub(super) fn words_of(number: usize, words: &[u64]) -> &[u64] {
    let end = words.len().min(number * PAGE_WORDS);
    &words[(number - 1) * PAGE_WORDS..end]
}

/// The dirty regions, if the file is about a volume of this size and `volume.meta` is the one that it was kept under.
pub(super) fn decode(file: &[u8], volume_size: u64, in_force: MetaMark) -> Option<Bits> {
    let mut pages = file.chunks_exact(PAGE);
    let header = pages.next().filter(|header| is_whole(header) && header.starts_with(MAGIC))?;
    if number_at(header, 8) != volume_size || number_at(header, 16) != region_size(volume_size) {
        return None;
    }
    let marks = header[MARKS_AT..].chunks_exact(MARK_BYTES).take(2);
    let mut marks = marks.map(|mark| MetaMark { inode: number_at(mark, 0), written: number_at(mark, 8).cast_signed() });
    if in_force.inode == 0 || !marks.any(|mark| mark == in_force) {
        return None;
    }
    let mut bits = Bits::none(region_count(volume_size));
    let mut words = Vec::new();
    for number in 1..=page_count(&bits) {
        let page = pages.next()?;
        let is_right = is_whole(page) && page[NUMBER_AT..CHECKSUM_AT] == (number as u32).to_le_bytes();
        let count = words_of(number, bits.words()).len();
        words.extend((0..count).map(|at| if is_right { number_at(page, at * WORD_BYTES) } else { u64::MAX }));
    }
    bits.take_words(&words);
    Some(bits)
}

fn seal(page: &mut [u8]) {
    let checksum = crc32c::crc32c(&page[..CHECKSUM_AT]);
    page[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
}

fn is_whole(page: &[u8]) -> bool {
    page[CHECKSUM_AT..] == crc32c::crc32c(&page[..CHECKSUM_AT]).to_le_bytes()
}

fn number_at(page: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&page[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const MARK: MetaMark = MetaMark { inode: 0x0102_0304, written: -5 };
    const NEXT: MetaMark = MetaMark { inode: 77, written: 1 << 60 };

    fn bits_of(size: u64, regions: &[u64]) -> Bits {
        let mut bits = Bits::none(region_count(size));
        for region in regions {
            bits.set(*region..*region + 1);
        }
        bits
    }

    #[test]
    fn the_bitmap_stays_small_at_every_size() {
        for (size, region) in [
            (4096, 1 << 20),
            (256 * GIB, 1 << 20),
            (256 * GIB + 4096, 2 << 20),
            (GIB << 10, 4 << 20),
            (GIB << 14, 64 << 20),
        ] {
            assert_eq!(region_size(size), region, "{size}");
            let file = encode(size, &[None; 2], &Bits::none(region_count(size)));
            assert!(file.len() <= 10 * PAGE, "{size}: {}", file.len());
        }
    }

    #[test]
    fn golden_bytes() {
        let size = 40 * (1 << 20);
        let file = encode(size, &[Some(MARK), Some(NEXT)], &bits_of(size, &[0, 9, 39]));
        assert_eq!(file.len(), 2 * PAGE);
        assert_eq!(file[..16], *b"aurregn1\0\0\x80\x02\0\0\0\0");
        assert_eq!(file[16..40], *b"\0\0\x10\0\0\0\0\0\x04\x03\x02\x01\0\0\0\0\xfb\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(file[40..56], *b"\x4d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10");
        assert!(file[56..CHECKSUM_AT].iter().all(|byte| *byte == 0));
        assert_eq!(file[PAGE..PAGE + 8], [1, 2, 0, 0, 0x80, 0, 0, 0]);
        assert_eq!(file[2 * PAGE - 8..2 * PAGE - 4], [1, 0, 0, 0]);
        // CRC-32C of both pages, as other programs compute it.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let size = 300 * GIB;
        let regions = [0, 63, 64, 32_703, 32_704, region_count(size) - 1];
        let file = encode(size, &[Some(MARK), Some(NEXT)], &bits_of(size, &regions));
        for mark in [MARK, NEXT] {
            assert_eq!(decode(&file, size, mark).unwrap().iter().collect::<Vec<_>>(), regions);
        }
        let other =
            [MetaMark { inode: 78, ..NEXT }, MetaMark { written: 0, ..MARK }, MetaMark { inode: 0, written: 0 }];
        assert!(other.iter().all(|mark| decode(&file, size, *mark).is_none()), "kept under another volume.meta");
        assert_eq!(decode(&file, size + 4096, MARK), None, "a volume of another size");
        assert_eq!(decode(&file[..PAGE], size, MARK), None);
        assert_eq!(decode(&[], size, MARK), None);
        let none = encode(size, &[Some(MARK), None], &bits_of(size, &[]));
        assert_eq!(decode(&none, size, MetaMark { inode: 0, written: 0 }), None, "no mark is no mark");
    }

    /// Every prefix of an in-place write over every other content: dirty regions are never lost.
    #[test]
    fn a_torn_page_makes_its_regions_dirty() {
        let size = 40 * (1 << 20);
        let old = encode(size, &[Some(MARK), None], &bits_of(size, &[3, 7]));
        let new = encode(size, &[Some(MARK), Some(NEXT)], &bits_of(size, &[3, 20, 21, 39]));
        for cut in 0..=old.len() {
            let torn = [&new[..cut], &old[cut..]].concat();
            let Some(found) = decode(&torn, size, MARK) else { continue };
            let found: Vec<u64> = found.iter().collect();
            let everything: Vec<u64> = (0..40).collect();
            let expected = [vec![3, 7], vec![3, 20, 21, 39], everything];
            assert!(expected.contains(&found), "cut at {cut}: {found:?}");
        }
        for at in 0..old.len() {
            let mut rotten = old.clone();
            rotten[at] ^= 0x10;
            let found = decode(&rotten, size, MARK);
            assert!(found.is_none_or(|found| found.iter().count() == 40), "byte {at}");
        }
    }
}
