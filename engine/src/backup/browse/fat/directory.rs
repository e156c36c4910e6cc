//! Entries of a FAT directory: 32 bytes each. A long name stands in entries of its own before the file's, last part first.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 11 | short name; 0: nothing follows, 0xe5: deleted |
//! | 11 | 1 | attributes: 0x01 read-only, 0x08 label, 0x10 directory, 0x0f part of a long name |
//! | 12 | 1 | 0x08, 0x10: name, extension in small letters |
//! | 20, 26 | 2, 2 | first cluster, high and low |
//! | 22, 24 | 2, 2 | time and date of the last change |
//! | 28 | 4 | size |
//!
//! A part of a long name: its number (0x40: the last), 13 UTF-16 units at 1, 14 and 28, the checksum of the short name at 13.

use time::{Date, Month, PrimitiveDateTime, Time};

use super::super::cache::number;
use super::super::entry::{Kind, Node};
use super::super::error::BrowseError;
use super::FIXED_ROOT;

pub(super) const ENTRY: usize = 32;
const LONG: u8 = 0x0f;
const LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const READ_ONLY: u8 = 0x01;
/// 20 parts of 13 units hold the longest name.
const PARTS_MAXIMUM: u8 = 20;

/// What an entry turned out to be.
pub(super) enum Seen {
    /// Nothing follows.
    End,
    /// Deleted, a label, part of a long name, the directory itself or the one above.
    Nothing,
    Name(Vec<u8>),
}

/// Puts long names together, entry by entry.
#[derive(Default)]
pub(super) struct Names {
    /// In order; filled from its end.
    units: Vec<u16>,
    checksum: u8,
    /// Number of the part that has to come next; 0 when all are there.
    next: u8,
    is_complete: bool,
}

impl Names {
    /// Takes the next entry, of [`ENTRY`] bytes.
    pub(super) fn take(&mut self, entry: &[u8]) -> Seen {
        let (first, attributes) = (entry[0], entry[11]);
        if first == 0 {
            return Seen::End;
        }
        if first == 0xe5 {
            self.is_complete = false;
            return Seen::Nothing;
        }
        if attributes & 0x3f == LONG {
            self.part(entry);
            return Seen::Nothing;
        }
        let long = self.long(entry);
        if attributes & LABEL != 0 || first == b'.' {
            return Seen::Nothing;
        }
        let name = long.unwrap_or_else(|| short(entry));
        let can_be =
            !name.is_empty() && !name.iter().any(|byte| matches!(byte, 0 | b'/')) && name != b".." && name != b".";
        if can_be { Seen::Name(name) } else { Seen::Nothing }
    }

    fn part(&mut self, entry: &[u8]) {
        let (number, checksum) = (entry[0] & 0x3f, entry[13]);
        if entry[0] & 0x40 != 0 && (1..=PARTS_MAXIMUM).contains(&number) {
            *self = Self { units: Vec::new(), checksum, next: number, is_complete: false };
        }
        if number == 0 || number != self.next || checksum != self.checksum {
            *self = Self::default();
            return;
        }
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        let mut units: Vec<u16> = places.map(|at| number::u16(entry, at)).collect();
        units.append(&mut self.units);
        self.units = units;
        self.next -= 1;
        self.is_complete = self.next == 0;
    }

    /// The long name of this entry, if the parts before it were its own.
    fn long(&mut self, entry: &[u8]) -> Option<Vec<u8>> {
        let gathered = std::mem::take(self);
        let checksum = entry[..11].iter().fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
        let units: Vec<u16> = gathered.units.into_iter().take_while(|&unit| unit != 0).collect();
        (gathered.is_complete && gathered.checksum == checksum).then(|| String::from_utf16_lossy(&units).into_bytes())
    }
}

/// The name of eight letters and three. Letters beyond ASCII are of a code page that nothing tells: they are replaced.
fn short(entry: &[u8]) -> Vec<u8> {
    let part = |bytes: &[u8], is_small: bool| {
        let text: String = bytes.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '_' }).collect();
        let text = text.trim_end_matches(' ').to_owned();
        if is_small { text.to_ascii_lowercase() } else { text }
    };
    let (name, extension) = (part(&entry[..8], entry[12] & 8 != 0), part(&entry[8..11], entry[12] & 16 != 0));
    if extension.is_empty() { name.into_bytes() } else { format!("{name}.{extension}").into_bytes() }
}

/// The facts in a file's entry. FAT knows no owners; permissions are those that Linux shows by default.
pub(super) fn node(entry: &[u8; ENTRY], is_32: bool, root: u64) -> Result<Node, BrowseError> {
    if entry[0] == 0 || entry[0] == 0xe5 || entry[11] & 0x3f == LONG {
        return Err(BrowseError::damaged("a name leads to no entry of a directory"));
    }
    let high = if is_32 { u64::from(number::u16(entry, 20)) << 16 } else { 0 };
    let cluster = high | u64::from(number::u16(entry, 26));
    let kind = if entry[11] & DIRECTORY == 0 { Kind::File } else { Kind::Directory };
    if kind == Kind::Directory && (cluster == FIXED_ROOT || cluster == root) {
        return Err(BrowseError::damaged("a directory leads back to the root"));
    }
    let size = if kind == Kind::File { u64::from(number::u32(entry, 28)) } else { 0 };
    let mut node = node_of(kind, size, modified(number::u16(entry, 24), number::u16(entry, 22)), cluster);
    if entry[11] & READ_ONLY != 0 {
        node.mode &= !0o222;
    }
    Ok(node)
}

pub(super) const fn node_of(kind: Kind, size: u64, modified: i64, cluster: u64) -> Node {
    Node { kind, size, mode: 0o755, uid: 0, gid: 0, modified, links: 1, device: None, handle: cluster }
}

/// Years from 1980 in 7 bits, month 4, day 5; hours 5, minutes 6, pairs of seconds 5. Which zone, nothing tells: UTC. A
/// time that can't be is that of 1970.
fn modified(date: u16, time: u16) -> i64 {
    let byte = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    let month = Month::try_from(byte(date >> 5 & 0xf)).ok();
    let date =
        month.and_then(|month| Date::from_calendar_date(1980 + i32::from(date >> 9), month, byte(date & 0x1f)).ok());
    let time = Time::from_hms(byte(time >> 11), byte(time >> 5 & 0x3f), byte((time & 0x1f) * 2)).ok();
    date.zip(time).map_or(0, |(date, time)| PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(modified(0, 0), 0);
        // 2026-11-22 13:37:42
        let (date, time) = ((2026 - 1980) << 9 | 11 << 5 | 22, 13 << 11 | 37 << 5 | 21);
        assert_eq!(modified(date, time), 1_795_354_662);
    }

    #[test]
    fn parts_of_another_name_are_forgotten() {
        let mut names = Names::default();
        let mut part = [0x20; ENTRY];
        (part[0], part[11], part[13]) = (0x41, LONG, 0x99);
        assert!(matches!(names.take(&part), Seen::Nothing));
        let mut entry = [b' '; ENTRY];
        entry[..11].copy_from_slice(b"README  TXT");
        (entry[11], entry[12]) = (0, 0x18);
        match names.take(&entry) {
            Seen::Name(name) => assert_eq!(name, b"readme.txt"),
            _ => panic!("no name"),
        }
    }
}
