//! The journal of a file system that was not unmounted, as every snapshot of a mounted volume has it.
//!
//! Nothing is replayed: blocks that a replay would write are remembered with the place in the journal that has their newer
//! content ([`Replay`]). What counts is what the kernel (jbd2) does on a mount:
//! - transactions in order from the journal's start on, around its end, up to the first one that was not committed;
//! - the last copy of a block wins;
//! - a block that a transaction revokes is not taken from this transaction or any before it: it has been given to a file
//!   since, whose content is not in the journal.
//!
//! Numbers are big-endian. Every block of the log begins with magic, type and number of the transaction, 4 bytes each.
//!
//! | type | then |
//! |---|---|
//! | 1, descriptor | a tag for each of the blocks that follow it: where it belongs |
//! | 2, commit | the transaction is complete |
//! | 3 or 4, superblock | block size 0x0c, length 0x10, first block of the log 0x14, first transaction 0x18, its block 0x1c (0: nothing to do), features 0x28, UUID 0x30 |
//! | 5, revocation | length at 0x0c, then blocks |

use std::collections::HashMap;

use super::super::cache::number::{big16, big32};
use super::super::error::BrowseError;
use super::Ext;
use super::checksum::{START, crc};
use super::inode::Inode;
use super::map::{self, Run};

const MAGIC: u32 = 0xc03b_3998;
const HEADER: usize = 12;
/// Blocks of a journal that are looked at: 4 GiB of the usual size. The largest that tools make has a quarter of that.
const BLOCKS_MAXIMUM: u64 = 1 << 20;

mod kind {
    pub(super) const DESCRIPTOR: u32 = 1;
    pub(super) const COMMIT: u32 = 2;
    pub(super) const REVOCATION: u32 = 5;
}

mod feature {
    pub(super) const REVOKE: u32 = 0x1;
    pub(super) const BITS_64: u32 = 0x2;
    pub(super) const CHECKSUMS_2: u32 = 0x8;
    pub(super) const CHECKSUMS_3: u32 = 0x10;
    /// Not among them: commits that may be on the disk before what they commit (0x4), and fast commits (0x20).
    pub(super) const KNOWN: u32 = REVOKE | BITS_64 | CHECKSUMS_2 | CHECKSUMS_3;
}

mod tag {
    /// The block began with the journal's magic, which is zeros here.
    pub(super) const ESCAPED: u32 = 1;
    /// No UUID follows.
    pub(super) const SAME_UUID: u32 = 2;
    pub(super) const LAST: u32 = 8;
}

/// Blocks that are newer in the journal.
#[derive(Debug, Default)]
pub(super) struct Replay(HashMap<u64, Copy>);

#[derive(Clone, Copy, Debug)]
struct Copy {
    place: u64,
    is_escaped: bool,
}

impl Replay {
    /// Where to read a block, and whether it is [escaped](unescape) there.
    pub(super) fn place(&self, block: u64) -> (u64, bool) {
        self.0.get(&block).map_or((block, false), |copy| (copy.place, copy.is_escaped))
    }

    pub(super) fn has(&self, block: u64) -> bool {
        self.0.contains_key(&block)
    }
}

/// Puts the magic back that a block in the journal may not begin with. The buffer begins at byte `within` of the block.
pub(super) fn unescape(within: u64, buffer: &mut [u8]) {
    let skip = usize::try_from(within).unwrap_or(usize::MAX);
    for (byte, right) in buffer.iter_mut().zip(MAGIC.to_be_bytes().iter().skip(skip)) {
        *byte = *right;
    }
}

/// What a mount would replay.
pub(super) fn replay(ext: &Ext) -> Result<Replay, BrowseError> {
    if ext.superblock.journal_inode == 0 {
        let why = "it was not unmounted, and its journal is on another disk".to_owned();
        return Err(BrowseError::Unsupported { filesystem: "this ext4", why });
    }
    let inode = Inode::read(ext, ext.superblock.journal_inode)?;
    let mut log = Log { ext, inode, known: None };
    let Some(header) = Header::of(&log.block(0)?, ext)? else { return Ok(Replay::default()) };
    let mut scan = Scan { header, log, at: header.start, transaction: header.transaction, left: header.length };
    let mut gathered = Gathered::default();
    while let Some(open) = scan.transaction()? {
        gathered.commit(open);
    }
    Ok(gathered.replay())
}

/// The journal's blocks, by their number in it.
struct Log<'a> {
    ext: &'a Ext,
    inode: Inode,
    /// The run that was found last: from which block on.
    known: Option<(u64, Run)>,
}

impl Log<'_> {
    fn place(&mut self, index: u64) -> Result<u64, BrowseError> {
        let known = self.known.filter(|(from, run)| index >= *from && index - from < run.blocks);
        let (from, run) = match known {
            Some(known) => known,
            None => *self.known.insert((index, map::run(self.ext, &self.inode, index)?)),
        };
        let place = run.place.map(|place| place + (index - from));
        place.ok_or_else(|| BrowseError::damaged("its journal has a hole"))
    }

    fn block(&mut self, index: u64) -> Result<Vec<u8>, BrowseError> {
        let place = self.place(index)?;
        self.ext.whole_block(place)
    }
}

/// What the journal's superblock says.
#[derive(Clone, Copy, Debug)]
struct Header {
    first: u64,
    length: u64,
    start: u64,
    transaction: u32,
    features: u32,
    seed: u32,
}

impl Header {
    /// None where there is nothing to replay.
    fn of(bytes: &[u8], ext: &Ext) -> Result<Option<Self>, BrowseError> {
        let kind = big32(bytes, 4);
        if big32(bytes, 0) != MAGIC || !matches!(kind, 3 | 4) {
            return Err(BrowseError::damaged("its journal has no superblock"));
        }
        let features = if kind == 3 { 0 } else { big32(bytes, 0x28) };
        let uuid = bytes.get(0x30..0x40).unwrap_or(&ext.superblock.uuid);
        let read = Self {
            first: big32(bytes, 0x14).into(),
            length: big32(bytes, 0x10).into(),
            start: big32(bytes, 0x1c).into(),
            transaction: big32(bytes, 0x18),
            features,
            seed: crc(START, uuid),
        };
        if read.start == 0 {
            return Ok(None);
        }
        if features & !feature::KNOWN != 0 {
            let why =
                format!("it was not unmounted, and its journal has features that are not known here ({features:#x})");
            return Err(BrowseError::Unsupported { filesystem: "this ext4", why });
        }
        let is_right = u64::from(big32(bytes, 0xc)) == ext.block_size()
            && (1..read.length).contains(&read.first)
            && (read.first..read.length).contains(&read.start)
            && read.length <= BLOCKS_MAXIMUM;
        if is_right { Ok(Some(read)) } else { Err(BrowseError::damaged("its journal's superblock can't be")) }
    }

    const fn has(&self, feature: u32) -> bool {
        self.features & feature != 0
    }

    const fn has_checksums(&self) -> bool {
        self.has(feature::CHECKSUMS_2 | feature::CHECKSUMS_3)
    }

    /// Whether the four bytes at `at`, taken as zeros, are the checksum of the block.
    fn is_whole(&self, block: &[u8], at: usize) -> bool {
        if !self.has_checksums() {
            return true;
        }
        let register = crc(crc(self.seed, &block[..at]), &[0; 4]);
        crc(register, &block[at + 4..]) == big32(block, at)
    }

    const fn tag_length(&self) -> usize {
        match (self.has(feature::CHECKSUMS_3), self.has(feature::CHECKSUMS_2), self.has(feature::BITS_64)) {
            (true, _, _) => 16,
            (_, false, false) => 8,
            (_, true, false) => 10,
            (_, false, true) => 12,
            (_, true, true) => 14,
        }
    }

    /// Number of the block, and flags.
    fn tag(&self, bytes: &[u8]) -> (u64, u32) {
        let low = u64::from(big32(bytes, 0));
        let high = if self.has(feature::BITS_64) { u64::from(big32(bytes, 8)) << 32 } else { 0 };
        let flags = if self.has(feature::CHECKSUMS_3) { big32(bytes, 4) } else { big16(bytes, 6).into() };
        (low | high, flags)
    }
}

/// A walk through the log.
struct Scan<'a> {
    header: Header,
    log: Log<'a>,
    at: u64,
    transaction: u32,
    /// Blocks until the log was gone around once.
    left: u64,
}

/// One transaction.
#[derive(Default)]
struct Open {
    number: u32,
    copies: Vec<(u64, Copy)>,
    revoked: Vec<u64>,
}

impl Scan<'_> {
    /// The next transaction that was committed; none at the end of the log, which is whatever does not go on with it.
    fn transaction(&mut self) -> Result<Option<Open>, BrowseError> {
        let mut open = Open { number: self.transaction, ..Open::default() };
        while self.left > 0 {
            self.log.ext.disk.cancel().check()?;
            let index = self.step();
            let block = self.log.block(index)?;
            if big32(&block, 0) != MAGIC || big32(&block, 8) != self.transaction {
                return Ok(None);
            }
            match big32(&block, 4) {
                kind::DESCRIPTOR if self.header.is_whole(&block, block.len() - 4) => {
                    if !self.tags(&block, &mut open)? {
                        return Ok(None);
                    }
                }
                kind::REVOCATION if self.header.is_whole(&block, block.len() - 4) => self.revoked(&block, &mut open),
                kind::COMMIT if self.header.is_whole(&block, HEADER + 4) => {
                    self.transaction = self.transaction.wrapping_add(1);
                    return Ok(Some(open));
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> u64 {
        let index = self.at;
        self.left = self.left.saturating_sub(1);
        self.at = if index + 1 >= self.header.length { self.header.first } else { index + 1 };
        index
    }

    /// Whether all blocks that the tags speak of are there.
    fn tags(&mut self, block: &[u8], open: &mut Open) -> Result<bool, BrowseError> {
        let tail = if self.header.has_checksums() { 4 } else { 0 };
        let (mut at, end, length) = (HEADER, block.len() - tail, self.header.tag_length());
        while at + length <= end {
            let (number, flags) = self.header.tag(&block[at..at + length]);
            if self.left == 0 {
                return Ok(false);
            }
            let index = self.step();
            let place = self.log.place(index)?;
            open.copies.push((number, Copy { place, is_escaped: flags & tag::ESCAPED != 0 }));
            if flags & tag::LAST != 0 {
                break;
            }
            at += length + if flags & tag::SAME_UUID == 0 { 16 } else { 0 };
        }
        Ok(true)
    }

    fn revoked(&self, block: &[u8], open: &mut Open) {
        let is_wide = self.header.has(feature::BITS_64);
        let width = if is_wide { 8 } else { 4 };
        let end = usize::try_from(big32(block, HEADER)).unwrap_or(0).min(block.len());
        for entry in block.get(HEADER + 4..end).unwrap_or_default().chunks_exact(width) {
            let (high, low) = if is_wide { (big32(entry, 0), big32(entry, 4)) } else { (0, big32(entry, 0)) };
            open.revoked.push(u64::from(high) << 32 | u64::from(low));
        }
    }
}

/// All transactions that were committed.
#[derive(Default)]
struct Gathered {
    /// In the order of the log, with the number of the transaction.
    copies: Vec<(u32, u64, Copy)>,
    /// The last transaction that revoked a block.
    revoked: HashMap<u64, u32>,
}

impl Gathered {
    fn commit(&mut self, open: Open) {
        self.copies.extend(open.copies.into_iter().map(|(block, copy)| (open.number, block, copy)));
        self.revoked.extend(open.revoked.into_iter().map(|block| (block, open.number)));
    }

    fn replay(self) -> Replay {
        // Numbers go around; a difference does not.
        let is_after = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() > 0;
        let counts =
            |number: u32, block: &u64| self.revoked.get(block).is_none_or(|&revoked| is_after(number, revoked));
        let copies = self.copies.iter().filter(|(number, block, _)| counts(*number, block));
        Replay(copies.map(|(_, block, copy)| (*block, *copy)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(place: u64) -> Copy {
        Copy { place, is_escaped: false }
    }

    #[test]
    fn what_is_revoked_is_not_taken_from_any_transaction_before() {
        let mut gathered = Gathered::default();
        let before = u32::MAX;
        gathered.commit(Open { number: before, copies: vec![(7, copy(100)), (8, copy(101))], revoked: vec![] });
        gathered.commit(Open { number: 0, copies: vec![(9, copy(102))], revoked: vec![7, 9] });
        gathered.commit(Open { number: 1, copies: vec![(9, copy(103)), (8, copy(104))], revoked: vec![] });
        let replay = gathered.replay();
        assert_eq!(replay.place(7), (7, false), "revoked later, and the numbers went around");
        assert_eq!(replay.place(8), (104, false), "the last copy wins");
        assert_eq!(replay.place(9), (103, false), "written again after it was revoked");
    }

    #[test]
    fn the_magic_comes_back() {
        let mut whole = [0; 8];
        unescape(0, &mut whole);
        assert_eq!(whole, [0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 0]);
        let mut part = [0; 4];
        unescape(2, &mut part);
        assert_eq!(part, [0x39, 0x98, 0, 0]);
        unescape(100, &mut part);
        assert_eq!(part, [0x39, 0x98, 0, 0]);
    }
}
