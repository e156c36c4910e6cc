//! What a disk or a partition holds, by the marks that every kind puts at its own place.

use super::cache::Window;
use super::error::BrowseError;
use super::{ext, fat};

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Ext,
    Fat,
    /// Encrypted as a whole, in this way.
    Encrypted(&'static str),
    /// A file system that can't be read here.
    Foreign(&'static str),
    /// Something that is no file system.
    Other(&'static str),
    /// Nothing but zeros at its beginning.
    Blank,
    Unknown,
}

/// Kinds with their marks: where, what.
const MARKS: &[(u64, &[u8], Content)] = &[
    (0, b"LUKS\xba\xbe", Content::Encrypted("LUKS")),
    (3, b"-FVE-FS-", Content::Encrypted("BitLocker")),
    (0, b"XFSB", Content::Foreign("xfs")),
    (0x10040, b"_BHRfS_M", Content::Foreign("btrfs")),
    (3, b"NTFS    ", Content::Foreign("NTFS")),
    (3, b"EXFAT   ", Content::Foreign("exFAT")),
    (1024, b"\x10\x20\xf5\xf2", Content::Foreign("F2FS")),
    (0, b"hsqs", Content::Foreign("squashfs")),
    (0x8001, b"CD001", Content::Foreign("ISO 9660")),
    (4086, b"SWAPSPACE2", Content::Other("swap space")),
    (536, b"LVM2 001", Content::Other("a physical volume of LVM")),
    (24, b"LVM2 001", Content::Other("a physical volume of LVM")),
];
/// Bytes at the beginning that are looked at before it is called blank.
const BLANK_BYTES: usize = 128 << 10;

/// # Errors
/// The disk's.
pub fn content(disk: &Window) -> Result<Content, BrowseError> {
    for (place, mark, content) in MARKS {
        if disk.peek(*place, mark.len())? == *mark {
            return Ok(*content);
        }
    }
    if ext::is_ext(disk)? {
        return Ok(Content::Ext);
    }
    if fat::is_fat(disk)? {
        return Ok(Content::Fat);
    }
    let is_blank = disk.peek(0, BLANK_BYTES)?.iter().all(|&byte| byte == 0);
    Ok(if is_blank { Content::Blank } else { Content::Unknown })
}

impl Content {
    /// In a list of partitions.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ext => "ext",
            Self::Fat => "FAT",
            Self::Encrypted(how) => how,
            Self::Foreign(kind) | Self::Other(kind) => kind,
            Self::Blank => "blank",
            Self::Unknown => "unknown",
        }
    }

    /// Why there is nothing to browse.
    pub(super) fn refusal(self) -> BrowseError {
        match self {
            Self::Encrypted(how) => BrowseError::Encrypted(how),
            Self::Foreign(filesystem) => {
                BrowseError::Unsupported { filesystem, why: "ext2, ext3, ext4 and FAT are read here".to_owned() }
            }
            Self::Other(what) => BrowseError::NoFileSystem(format!("there is {what}")),
            Self::Blank => BrowseError::NoFileSystem("nothing was written at its beginning".to_owned()),
            Self::Ext | Self::Fat | Self::Unknown => BrowseError::NoFileSystem("what is there is not known".to_owned()),
        }
    }
}
