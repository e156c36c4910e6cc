//! Which block of the disk holds a block of a file.
//!
//! ext4 has a tree of extents in the inode's 60 bytes, in nodes of a header and entries, 12 bytes each:
//!
//! | node | bytes |
//! |---|---|
//! | header | magic 0xf30a, number of entries, room for entries, depth: 2 each; 4 more |
//! | entry above the leaves | first block of the file 4, node's block low 4, high 2; 2 more |
//! | entry of a leaf | first block of the file 4, length 2, block high 2, low 4. More than 32768: allocated and never written, so many less |
//!
//! ext2 and ext3 have 12 blocks, a block of blocks, a block of those, and one of those.

use super::super::cache::number;
use super::super::error::BrowseError;
use super::Ext;
use super::inode::{Inode, MAP_LENGTH};

/// ext4 itself never has more than five levels.
const DEPTH_MAXIMUM: u16 = 5;
const ENTRY: usize = 12;
const EXTENT_MAGIC: u16 = 0xf30a;
/// Lengths above it are those of extents that were never written.
const WRITTEN_MAXIMUM: u16 = 32768;
/// A file has no more.
const FILE_BLOCKS_MAXIMUM: u64 = 1 << 32;
const DIRECT: u64 = 12;

/// Blocks of a file that lie one behind the other, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one's place; none for a hole.
    pub(super) place: Option<u64>,
    /// How many, at least one.
    pub(super) blocks: u64,
}

impl Run {
    fn hole(from: u64, to: u64) -> Self {
        Self { place: None, blocks: to.saturating_sub(from).max(1) }
    }
}

/// What lies at block `index` of the file and behind it.
pub(super) fn run(ext: &Ext, inode: &Inode, index: u64) -> Result<Run, BrowseError> {
    if index >= FILE_BLOCKS_MAXIMUM {
        return Err(BrowseError::damaged(format!("a file has {} bytes", inode.size)));
    }
    if inode.has_extents() { extents(ext, &inode.map, index) } else { blocks(ext, &inode.map, index) }
}

fn extents(ext: &Ext, root: &[u8; MAP_LENGTH], index: u64) -> Result<Run, BrowseError> {
    let (mut node, mut above, mut end) = (root.to_vec(), None, FILE_BLOCKS_MAXIMUM);
    loop {
        let (magic, count, depth) = (number::u16(&node, 0), number::u16(&node, 2), number::u16(&node, 6));
        let fits = ENTRY * (usize::from(count) + 1) <= node.len();
        if magic != EXTENT_MAGIC
            || !fits
            || above.map_or(depth > DEPTH_MAXIMUM, |above: u16| above.checked_sub(1) != Some(depth))
        {
            return Err(BrowseError::damaged("a tree of extents is broken"));
        }
        let entries = node[ENTRY..ENTRY * (usize::from(count) + 1)].chunks_exact(ENTRY);
        let mut last = None;
        for entry in entries {
            let first = u64::from(number::u32(entry, 0));
            if first > index {
                end = end.min(first);
                break;
            }
            last = Some((first, entry));
        }
        let Some((first, entry)) = last else { return Ok(Run::hole(index, end)) };
        if depth == 0 {
            return Ok(leaf(first, entry, index, end));
        }
        let child = u64::from(number::u32(entry, 4)) | u64::from(number::u16(entry, 8)) << 32;
        above = Some(depth);
        node = ext.whole_block(child)?;
    }
}

fn leaf(first: u64, entry: &[u8], index: u64, end: u64) -> Run {
    let length = number::u16(entry, 4);
    let is_written = length <= WRITTEN_MAXIMUM;
    let length = u64::from(if is_written { length } else { length - WRITTEN_MAXIMUM });
    if index >= first + length {
        return Run::hole(index, end);
    }
    let place = u64::from(number::u32(entry, 8)) | u64::from(number::u16(entry, 6)) << 32;
    Run { place: is_written.then_some(place + (index - first)), blocks: first + length - index }
}

fn blocks(ext: &Ext, roots: &[u8; MAP_LENGTH], index: u64) -> Result<Run, BrowseError> {
    let per_block = ext.block_size() / 4;
    if index < DIRECT {
        return Ok(in_list(&roots[..48], index));
    }
    let mut rest = index - DIRECT;
    for level in 1..=3_u32 {
        let covered = per_block.pow(level);
        if rest >= covered {
            rest -= covered;
            continue;
        }
        let mut place = u64::from(number::u32(roots, 4 * (11 + level as usize)));
        // Goes down; each step's blocks cover fewer blocks of the file.
        for below in (0..level).rev() {
            let each = per_block.pow(below);
            let (slot, within) = (rest / each % per_block, rest % each);
            if place == 0 {
                return Ok(Run { place: None, blocks: each * per_block - rest % (each * per_block) });
            }
            let list = ext.whole_block(place)?;
            if below == 0 {
                return Ok(in_list(&list, slot));
            }
            place = u64::from(number::u32(&list, usize::try_from(slot * 4).unwrap_or(0)));
            if place == 0 {
                return Ok(Run { place: None, blocks: each - within });
            }
        }
    }
    Err(BrowseError::damaged("a file is longer than its lists of blocks can be"))
}

/// The run of neighbours that begins at a slot of a list of blocks.
fn in_list(list: &[u8], slot: u64) -> Run {
    let at = |slot: u64| u64::from(number::u32(list, usize::try_from(slot * 4).unwrap_or(0)));
    let (first, slots) = (at(slot), list.len() as u64 / 4);
    let goes_on = |next: &u64| if first == 0 { at(*next) == 0 } else { at(*next) == first + (next - slot) };
    let more = (slot + 1..slots).take_while(goes_on).count() as u64;
    Run { place: (first != 0).then_some(first), blocks: 1 + more }
}
