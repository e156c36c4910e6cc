//! What is known of a file.

use time::OffsetDateTime;

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl Kind {
    /// By the file type in a Unix mode.
    pub(super) const fn of_mode(mode: u16) -> Option<Self> {
        Some(match mode & 0xf000 {
            0x1000 => Self::Fifo,
            0x2000 => Self::CharacterDevice,
            0x4000 => Self::Directory,
            0x6000 => Self::BlockDevice,
            0x8000 => Self::File,
            0xa000 => Self::Symlink,
            0xc000 => Self::Socket,
            _ => return None,
        })
    }

    /// For people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

/// Facts of a file, and where its content is.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    /// Of the content, in bytes; 0 for what has none.
    pub size: u64,
    /// Permissions with set-uid, set-gid and sticky bits.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970, UTC.
    pub modified: i64,
    /// More than one: other names lead to the same content.
    pub links: u16,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// ext: the inode's number. FAT: the first cluster.
    pub(super) handle: u64,
}

/// A named file.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: Vec<u8>,
    /// Why nothing is known of it, where its facts can't be read.
    pub node: Result<Node, String>,
    /// Where a symbolic link points to.
    pub target: Option<Vec<u8>>,
}

impl Node {
    /// When the content was last changed; none for a time that no calendar has.
    #[must_use]
    pub fn modified_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.modified).ok()
    }
}
