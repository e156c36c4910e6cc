//! `aurochs.regions` on the disk. Longhorn ignores the file.
//!
//! Pages of 4096 bytes, numbers in little endian. Page 0 says what the others are about:
//!
//! | byte | length | what |
//! |---|---|---|
//! | 0 | 8 | `aurregn2`, with the version at its end: 1 was of programs that kept no checksums (`replica::sums`) |
//! | 8 | 8 | size of the volume in bytes |
//! | 16 | 8 | size of a region in bytes |
//! | 24 | 32 | up to two [`MetaMark`]s of `volume.meta`: inode (0: none), time of change in nanoseconds since 1970 |
//! | 56 | 40 | file name of the head, NULs behind it |
//! | 96 | 512 | up to four absent replicas, 128 bytes each: since which generation (8), length of the name (1), name (119) |
//! | 608 | 3484 | zeros |
//! | 4092 | 4 | CRC-32C of what comes before |
//!
//! The others hold bits: first those of the dirty regions, then those of the regions that each absent replica misses, each
//! set in so many pages as the volume's size makes necessary. What absent replicas miss counts only as long as the head is
//! the one that is named. A page holds 32,704 regions, the first one's in the lowest bit of the first byte:
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
use super::content::{Content, LONGEST_NAME, MOST_ABSENT, Missed};
use crate::disk::BLOCK_SIZE;

/// Unit of writing.
pub(super) const PAGE: usize = BLOCK_SIZE as usize;
/// Words of bits in a page.
pub(super) const PAGE_WORDS: usize = (PAGE - 8) / WORD_BYTES;

const MAGIC: &[u8; 8] = b"aurregn2";
const MARKS_AT: usize = 24;
const MARK_BYTES: usize = 16;
const HEAD_AT: usize = 56;
const ABSENT_AT: usize = 96;
const ABSENT_BYTES: usize = 128;
const NAME_AT: usize = ABSENT_BYTES - LONGEST_NAME;
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

/// What a log is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) volume_size: u64,
    /// File name of the head.
    pub(super) head: String,
}

/// The whole file.
pub(super) fn encode(about: &About, marks: &MetaMarks, content: &Content) -> Vec<u8> {
    let mut file = header(about, marks, content);
    for (first, set) in first_pages(content) {
        (1..=page_count(set)).for_each(|number| file.extend(page(first + number - 1, number, set)));
    }
    file
}

/// Every set with the number of its first page in the file.
pub(super) fn first_pages(content: &Content) -> impl Iterator<Item = (usize, &Bits)> {
    content.sets().enumerate().map(|(at, set)| (1 + at * page_count(set), set))
}

/// How many pages hold a set; they are numbered from 1.
pub(super) fn page_count(bits: &Bits) -> usize {
    bits.words().len().div_ceil(PAGE_WORDS)
}

pub(super) fn header(about: &About, marks: &MetaMarks, content: &Content) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[..8].copy_from_slice(MAGIC);
    page[8..16].copy_from_slice(&about.volume_size.to_le_bytes());
    page[16..24].copy_from_slice(&region_size(about.volume_size).to_le_bytes());
    for (place, mark) in page[MARKS_AT..HEAD_AT].chunks_exact_mut(MARK_BYTES).zip(marks.iter().flatten()) {
        place[..8].copy_from_slice(&mark.inode.to_le_bytes());
        place[8..].copy_from_slice(&mark.written.to_le_bytes());
    }
    let head = about.head.as_bytes();
    let length = head.len().min(ABSENT_AT - HEAD_AT);
    page[HEAD_AT..HEAD_AT + length].copy_from_slice(&head[..length]);
    for (place, missed) in page[ABSENT_AT..].chunks_exact_mut(ABSENT_BYTES).zip(content.missed.iter().take(MOST_ABSENT))
    {
        let name = missed.replica.as_bytes();
        place[..8].copy_from_slice(&missed.since.to_le_bytes());
        place[8] = name.len() as u8;
        place[NAME_AT..NAME_AT + name.len()].copy_from_slice(name);
    }
    seal(&mut page);
    page
}

/// Page `place` of the file, which is page `number` of a set.
pub(super) fn page(place: usize, number: usize, bits: &Bits) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    for (bytes, word) in page.chunks_exact_mut(WORD_BYTES).zip(words_of(number, bits.words())) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    page[NUMBER_AT..CHECKSUM_AT].copy_from_slice(&(place as u32).to_le_bytes());
    seal(&mut page);
    page
}

/// The words that a page holds.
pub(super) fn words_of(number: usize, words: &[u64]) -> &[u64] {
    let end = words.len().min(number * PAGE_WORDS);
    &words[(number - 1) * PAGE_WORDS..end]
}

/// What the file says, if it is about this volume and `volume.meta` is the one that it was kept under.
pub(super) fn decode(file: &[u8], about: &About, in_force: MetaMark) -> Option<Content> {
    let header = file.get(..PAGE).filter(|header| is_whole(header) && header.starts_with(MAGIC))?;
    if number_at(header, 8) != about.volume_size || number_at(header, 16) != region_size(about.volume_size) {
        return None;
    }
    let marks = header[MARKS_AT..HEAD_AT].chunks_exact(MARK_BYTES);
    let mut marks = marks.map(|mark| MetaMark { inode: number_at(mark, 0), written: number_at(mark, 8).cast_signed() });
    if in_force.inode == 0 || !marks.any(|mark| mark == in_force) {
        return None;
    }
    let mut content = Content::dirty(set_at(file, 1, about.volume_size)?);
    let pages = page_count(&content.dirty);
    let mut name = about.head.clone().into_bytes();
    name.resize(ABSENT_AT - HEAD_AT, 0);
    let absent = header[ABSENT_AT..].chunks_exact(ABSENT_BYTES).take(MOST_ABSENT).zip(1..);
    for (entry, at) in absent.filter(|(entry, _)| entry[8] > 0 && header[HEAD_AT..ABSENT_AT] == name) {
        let replica = entry[NAME_AT..].get(..usize::from(entry[8]))?;
        let replica = std::str::from_utf8(replica).ok()?.to_owned();
        let regions = set_at(file, 1 + at * pages, about.volume_size)?;
        content.missed.push(Missed { replica, since: number_at(entry, 0), regions });
    }
    Some(content)
}

/// The set whose first page this is. A page that is wrong has all its regions.
fn set_at(file: &[u8], first: usize, volume_size: u64) -> Option<Bits> {
    let mut bits = Bits::none(region_count(volume_size));
    let mut words = Vec::new();
    for number in 1..=page_count(&bits) {
        let place = first + number - 1;
        let page = file.get(place * PAGE..(place + 1) * PAGE)?;
        let is_right = is_whole(page) && page[NUMBER_AT..CHECKSUM_AT] == (place as u32).to_le_bytes();
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

    fn about(volume_size: u64) -> About {
        About { volume_size, head: "volume-head-003.img".to_owned() }
    }

    fn bits_of(size: u64, regions: &[u64]) -> Bits {
        let mut bits = Bits::none(region_count(size));
        for region in regions {
            bits.set(*region..*region + 1);
        }
        bits
    }

    fn content_of(size: u64, regions: &[u64]) -> Content {
        Content::dirty(bits_of(size, regions))
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
            let mut content = content_of(size, &[]);
            let file = encode(&about(size), &[None; 2], &content);
            assert!(file.len() <= 10 * PAGE, "{size}: {}", file.len());
            (1..=4).for_each(|number| assert!(content.begin_to_miss(&format!("r-{number}"), number)));
            assert!(encode(&about(size), &[None; 2], &content).len() <= 46 * PAGE);
        }
    }

    #[test]
    fn golden_bytes() {
        let size = 40 * (1 << 20);
        let mut content = content_of(size, &[0, 9, 39]);
        assert!(content.begin_to_miss("v-r-1", 5));
        content.missed[0].regions = bits_of(size, &[1]);
        let file = encode(&about(size), &[Some(MARK), Some(NEXT)], &content);
        assert_eq!(file.len(), 3 * PAGE);
        assert_eq!(file[..16], *b"aurregn2\0\0\x80\x02\0\0\0\0");
        assert_eq!(file[16..40], *b"\0\0\x10\0\0\0\0\0\x04\x03\x02\x01\0\0\0\0\xfb\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(file[40..56], *b"\x4d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10");
        assert_eq!(file[56..96], *b"volume-head-003.img\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(file[96..112], *b"\x05\0\0\0\0\0\0\0\x05v-r-1\0\0");
        assert!(file[112..CHECKSUM_AT].iter().all(|byte| *byte == 0));
        assert_eq!(file[PAGE..PAGE + 8], [1, 2, 0, 0, 0x80, 0, 0, 0]);
        assert_eq!(file[2 * PAGE - 8..2 * PAGE - 4], [1, 0, 0, 0]);
        assert_eq!((file[2 * PAGE], file[3 * PAGE - 8]), (2, 2));
        assert_eq!(decode(&file, &about(size), MARK).unwrap(), content);
        let other_head = About { head: "volume-head-004.img".to_owned(), ..about(size) };
        assert_eq!(decode(&file, &other_head, MARK).unwrap(), content_of(size, &[0, 9, 39]), "nothing missed is known");
        // CRC-32C of both pages, as other programs compute it.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let size = 300 * GIB;
        let regions = [0, 63, 64, 32_703, 32_704, region_count(size) - 1];
        let file = encode(&about(size), &[Some(MARK), Some(NEXT)], &content_of(size, &regions));
        for mark in [MARK, NEXT] {
            assert_eq!(decode(&file, &about(size), mark).unwrap().dirty.iter().collect::<Vec<_>>(), regions);
        }
        let other =
            [MetaMark { inode: 78, ..NEXT }, MetaMark { written: 0, ..MARK }, MetaMark { inode: 0, written: 0 }];
        assert!(
            other.iter().all(|mark| decode(&file, &about(size), *mark).is_none()),
            "kept under another volume.meta"
        );
        assert_eq!(decode(&file, &about(size + 4096), MARK), None, "a volume of another size");
        assert_eq!(decode(&file[..PAGE], &about(size), MARK), None);
        assert_eq!(decode(&[], &about(size), MARK), None);
        let none = encode(&about(size), &[Some(MARK), None], &content_of(size, &[]));
        assert_eq!(decode(&none, &about(size), MetaMark { inode: 0, written: 0 }), None, "no mark is no mark");
    }

    /// Every prefix of an in-place write over every other content: dirty regions are never lost.
    #[test]
    fn a_torn_page_makes_its_regions_dirty() {
        let size = 40 * (1 << 20);
        let old = encode(&about(size), &[Some(MARK), None], &content_of(size, &[3, 7]));
        let new = encode(&about(size), &[Some(MARK), Some(NEXT)], &content_of(size, &[3, 20, 21, 39]));
        for cut in 0..=old.len() {
            let torn = [&new[..cut], &old[cut..]].concat();
            let Some(found) = decode(&torn, &about(size), MARK) else { continue };
            let found: Vec<u64> = found.dirty.iter().collect();
            let everything: Vec<u64> = (0..40).collect();
            let expected = [vec![3, 7], vec![3, 20, 21, 39], everything];
            assert!(expected.contains(&found), "cut at {cut}: {found:?}");
        }
        for at in 0..old.len() {
            let mut rotten = old.clone();
            rotten[at] ^= 0x10;
            let found = decode(&rotten, &about(size), MARK);
            assert!(found.is_none_or(|found| found.dirty.iter().count() == 40), "byte {at}");
        }
    }
}
