//! An inode: what is known of a file.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0x00 | 2 | type and permissions |
//! | 0x02, 0x78 | 2 + 2 | owner, low and high |
//! | 0x04, 0x6c | 4 + 4 | size, low and high |
//! | 0x10, 0x88 | 4 + 4 | time of the last change of the content; then nanoseconds above two more bits of the seconds |
//! | 0x18, 0x7a | 2 + 2 | group |
//! | 0x1a | 2 | number of names |
//! | 0x20 | 4 | flags |
//! | 0x28 | 60 | where the content is; a short link's target; a device's numbers |
//! | 0x64 | 4 | generation |
//! | 0x7c, 0x82 | 2 + 2 | checksum |
//! | 0x80 | 2 | bytes in use behind the first 128 |

use super::super::cache::number;
use super::super::entry::{Kind, Node};
use super::super::error::BrowseError;
use super::Ext;
use super::checksum::crc;

pub(super) const MAP_LENGTH: usize = 60;

mod flag {
    pub(super) const COMPRESSED: u32 = 0x4;
    pub(super) const ENCRYPTED: u32 = 0x800;
    pub(super) const EXTENTS: u32 = 0x8_0000;
    pub(super) const INLINE_DATA: u32 = 0x1000_0000;
}

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) size: u64,
    pub(super) map: [u8; MAP_LENGTH],
    mode: u16,
    uid: u32,
    gid: u32,
    modified: i64,
    links: u16,
    flags: u32,
}

impl Inode {
    /// # Errors
    /// There is none of this number, it is damaged, or it can't be read.
    pub(super) fn read(ext: &Ext, number: u32) -> Result<Self, BrowseError> {
        let (block, within) = ext.superblock.inode_place(ext, number)?;
        let mut bytes = vec![0; usize::try_from(ext.superblock.inode_size).unwrap_or(0)];
        ext.read_block(block, within, &mut bytes)?;
        if let Some(seed) = ext.superblock.seed
            && !has_right_checksum(seed, number, &bytes)
        {
            return Err(BrowseError::damaged(format!("the checksum of inode {number} is wrong")));
        }
        Ok(Self::of(&bytes))
    }

    fn of(bytes: &[u8]) -> Self {
        let (u16, u32) = (|at| number::u16(bytes, at), |at| number::u32(bytes, at));
        let has_more = |end: usize| bytes.len() > 128 && 128 + usize::from(u16(0x80)) >= end;
        let seconds = i64::from(u32(0x10).cast_signed());
        let modified = if has_more(0x8c) { seconds + (i64::from(u32(0x88) & 3) << 32) } else { seconds };
        let mut map = [0; MAP_LENGTH];
        map.copy_from_slice(&bytes[0x28..0x28 + MAP_LENGTH]);
        Self {
            size: u64::from(u32(0x4)) | u64::from(u32(0x6c)) << 32,
            map,
            mode: u16(0),
            uid: u32::from(u16(0x2)) | u32::from(u16(0x78)) << 16,
            gid: u32::from(u16(0x18)) | u32::from(u16(0x7a)) << 16,
            modified,
            links: u16(0x1a),
            flags: u32(0x20),
        }
    }

    /// Its facts as everybody sees them.
    pub(super) fn node(&self, number: u32) -> Result<Node, BrowseError> {
        let kind = Kind::of_mode(self.mode)
            .ok_or_else(|| BrowseError::damaged(format!("inode {number} is of no type (mode {:o})", self.mode)))?;
        let has_content = matches!(kind, Kind::File | Kind::Directory | Kind::Symlink);
        Ok(Node {
            kind,
            size: if has_content { self.size } else { 0 },
            mode: self.mode & 0o7777,
            uid: self.uid,
            gid: self.gid,
            modified: self.modified,
            links: self.links,
            device: matches!(kind, Kind::BlockDevice | Kind::CharacterDevice).then(|| self.device()),
            handle: number.into(),
        })
    }

    pub(super) const fn has_extents(&self) -> bool {
        self.flags & flag::EXTENTS != 0
    }

    /// A target that lies in the inode itself.
    pub(super) fn fast_target(&self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.size).ok().filter(|&length| length < MAP_LENGTH && !self.has_extents());
        length.filter(|&length| length > 0).map(|length| self.map[..length].to_vec())
    }

    pub(super) const fn check_encryption(&self) -> Result<(), BrowseError> {
        if self.flags & flag::ENCRYPTED == 0 { Ok(()) } else { Err(BrowseError::Encrypted("ext4's own, by directory")) }
    }

    /// Whether the content lies in blocks, as it is.
    pub(super) fn check_readable(&self, what: &str) -> Result<(), BrowseError> {
        self.check_encryption()?;
        let form = match self.flags {
            flags if flags & flag::INLINE_DATA != 0 => "inside of inodes (inline_data)",
            flags if flags & flag::COMPRESSED != 0 => "compressed",
            _ => return Ok(()),
        };
        let why = format!("it has {what} {form}");
        Err(BrowseError::Unsupported { filesystem: "this file", why })
    }

    /// In the first word as it always was, or in the second with more bits.
    fn device(&self) -> (u32, u32) {
        let (old, new) = (number::u32(&self.map, 0), number::u32(&self.map, 4));
        if old != 0 {
            return (old >> 8 & 0xff, old & 0xff);
        }
        ((new & 0xf_ff00) >> 8, new & 0xff | new >> 12 & 0xf_ff00)
    }
}

/// Over the inode with zeros in place of the checksum, from the number and the generation on. Inodes without room for
/// more have its lower half.
fn has_right_checksum(seed: u32, number: u32, bytes: &[u8]) -> bool {
    let has_high = bytes.len() > 128 && number::u16(bytes, 0x80) >= 4;
    let mut register = crc(crc(seed, &number.to_le_bytes()), &bytes[0x64..0x68]);
    register = crc(crc(crc(register, &bytes[..0x7c]), &[0; 2]), &bytes[0x7e..0x80]);
    if bytes.len() > 128 {
        register = crc(register, &bytes[0x80..0x82]);
        register = if has_high { crc(register, &[0; 2]) } else { crc(register, &bytes[0x82..0x84]) };
        register = crc(register, &bytes[0x84..]);
    }
    let low = u32::from(number::u16(bytes, 0x7c));
    let high = u32::from(number::u16(bytes, 0x82)) << 16;
    if has_high { register == low | high } else { register & 0xffff == low }
}
