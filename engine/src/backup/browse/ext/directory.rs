//! Names in a block of a directory: inode 4 bytes, length of the record 2, of the name 1, type 1, the name. Inode 0 is no
//! name: deleted, a node of the index, or a checksum. Without types the name's length has two bytes.

use super::super::cache::number;
use super::super::error::BrowseError;
use super::super::filesystem::Visit;
use super::Visited;

const HEADER: usize = 8;

/// Visits the names of one block.
pub(super) fn visit(block: &[u8], has_types: bool, visit: &mut Visit<'_>) -> Result<Visited, BrowseError> {
    let mut at = 0;
    while at + HEADER <= block.len() {
        let (inode, record) = (number::u32(block, at), number::u16(block, at + 4));
        // Blocks of 64 KiB don't fit into two bytes.
        let record = if matches!(record, 0 | 0xffff) && block.len() > 0xffff { block.len() } else { record.into() };
        let length = if has_types { usize::from(block[at + 6]) } else { usize::from(number::u16(block, at + 6)) };
        if record < HEADER || at + record > block.len() || (inode != 0 && HEADER + length > record) {
            return Err(BrowseError::damaged("a directory is broken"));
        }
        let name = &block[at + HEADER..at + HEADER + length.min(record - HEADER)];
        let is_name = inode != 0 && !matches!(name, b"" | b"." | b"..");
        if is_name && name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(BrowseError::damaged("a directory has a name that can't be"));
        }
        if is_name && visit(name, inode.into()).is_break() {
            return Ok(Visited::Break(()));
        }
        at += record;
    }
    Ok(Visited::Continue(()))
}
