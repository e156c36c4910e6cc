//! Which parts of a file hold data.

use super::browser::Browser;
use super::entry::Node;
use super::error::BrowseError;
use super::filesystem::Extent;

/// More parts are not told apart: behind the last one everything counts as data. Bounds the memory for a file's map.
const PARTS_MAXIMUM: usize = 4096;
/// Holes that are smaller together are not worth another form of a file.
const WORTH_BYTES: u64 = 64 << 10;

/// Parts of a file that hold data: offset and length, in order. None for a file that is as good as whole.
pub(super) fn data(browser: &Browser, file: &Node) -> Result<Option<Vec<(u64, u64)>>, BrowseError> {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let (mut at, mut holes) = (0, 0);
    while at < file.size {
        browser.cancel().check()?;
        match browser.filesystem().extent(file, at)? {
            Extent::HoleUpTo(end) if parts.len() < PARTS_MAXIMUM => {
                holes += end - at;
                at = end;
            }
            Extent::HoleUpTo(_) => {
                extend(&mut parts, at, file.size);
                at = file.size;
            }
            Extent::DataUpTo(end) => {
                extend(&mut parts, at, end);
                at = end;
            }
        }
    }
    Ok((holes >= WORTH_BYTES).then_some(parts))
}

fn extend(parts: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    match parts.last_mut() {
        Some((start, length)) if *start + *length == from => *length = to - *start,
        _ => parts.push((from, to - from)),
    }
}
