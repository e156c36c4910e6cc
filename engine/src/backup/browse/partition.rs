//! Partition tables: MBR with logical partitions, and GPT (UEFI specification 2.10, chapter 5).

use super::cache::{Window, number};
use super::error::BrowseError;

/// Where partitions of an MBR are counted from.
const MBR_SECTOR: u64 = 512;
const MBR_TABLE: usize = 446;
/// Logical partitions that are followed; the chain of a damaged table may be a ring.
const LOGICAL_MAXIMUM: u32 = 128;
/// The standard has 128 entries; more than this many are not looked at.
const GPT_ENTRIES_MAXIMUM: u64 = 1024;
const GPT_PROTECTIVE: u8 = 0xee;

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As Linux numbers it, from 1.
    pub number: u32,
    /// In bytes.
    pub start: u64,
    /// In bytes.
    pub length: u64,
}

/// The partitions in order of their numbers; none where there is no table.
///
/// # Errors
/// The disk's.
pub fn partitions(disk: &Window) -> Result<Vec<Partition>, BrowseError> {
    let sector = disk.peek(0, 512)?;
    if number::u16(&sector, 510) != 0xaa55 {
        return Ok(Vec::new());
    }
    let is_protective = (0..4).any(|index| sector[MBR_TABLE + 16 * index + 4] == GPT_PROTECTIVE);
    let found = if is_protective { gpt(disk)? } else { mbr(disk, &sector)? };
    Ok(found.into_iter().filter(|one| one.length > 0 && one.start < disk.size()).collect())
}

fn gpt(disk: &Window) -> Result<Vec<Partition>, BrowseError> {
    // Disks of 512 and of 4096 bytes a sector.
    for sector in [512_u64, 4096] {
        let header = disk.peek(sector, 92)?;
        if !header.starts_with(b"EFI PART") {
            continue;
        }
        let (table, count, length) =
            (number::u64(&header, 72), number::u32(&header, 80), u64::from(number::u32(&header, 84)));
        if !(128..=4096).contains(&length) {
            return Err(BrowseError::damaged("the partition table (GPT) has entries of a size that can't be"));
        }
        let mut found = Vec::new();
        for index in 0..u64::from(count).min(GPT_ENTRIES_MAXIMUM) {
            let place = table.checked_mul(sector).and_then(|start| start.checked_add(index * length));
            let entry = place.map_or(Ok(Vec::new()), |place| disk.peek(place, 48))?;
            let (first, last) = (number::u64(&entry, 32), number::u64(&entry, 40));
            if entry.len() < 48 || entry[..16].iter().all(|&byte| byte == 0) || last < first {
                continue;
            }
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            found.extend(part(number, first, (last - first).saturating_add(1), sector));
        }
        return Ok(found);
    }
    Ok(Vec::new())
}

fn part(number: u32, first: u64, count: u64, sector: u64) -> Option<Partition> {
    Some(Partition { number, start: first.checked_mul(sector)?, length: count.saturating_mul(sector) })
}

/// An entry: type at 4, first sector at 8, number of sectors at 12.
fn entry(sector: &[u8], index: usize) -> (u8, u64, u64) {
    let at = MBR_TABLE + 16 * index;
    let kind = sector.get(at + 4).copied().unwrap_or(0);
    (kind, number::u32(sector, at + 8).into(), number::u32(sector, at + 12).into())
}

const fn is_extended(kind: u8) -> bool {
    matches!(kind, 0x05 | 0x0f | 0x85)
}

fn mbr(disk: &Window, sector: &[u8]) -> Result<Vec<Partition>, BrowseError> {
    let mut found = Vec::new();
    // Boot code may stand where a table would: entries begin with 0 or 0x80.
    if (0..4).any(|index| sector[MBR_TABLE + 16 * index] & 0x7f != 0) {
        return Ok(found);
    }
    for index in 0..4 {
        let (kind, first, count) = entry(sector, index);
        if is_extended(kind) {
            logical(disk, first, &mut found)?;
        } else if kind != 0 && first != 0 {
            found.extend(part(u32::try_from(index + 1).unwrap_or(0), first, count, MBR_SECTOR));
        }
    }
    found.sort_by_key(|one| one.number);
    Ok(found)
}

/// A chain of tables: the first entry is a partition, counted from the table; the second the next table, counted from
/// the first one.
fn logical(disk: &Window, begin: u64, found: &mut Vec<Partition>) -> Result<(), BrowseError> {
    let mut at = begin;
    for number in 5..5 + LOGICAL_MAXIMUM {
        let sector = disk.peek(at * MBR_SECTOR, 512)?;
        if number::u16(&sector, 510) != 0xaa55 {
            return Ok(());
        }
        let (kind, first, count) = entry(&sector, 0);
        if kind != 0 {
            found.extend(part(number, at + first, count, MBR_SECTOR));
        }
        let (kind, next, _) = entry(&sector, 1);
        if !is_extended(kind) || next == 0 {
            return Ok(());
        }
        at = begin + next;
    }
    Ok(())
}
