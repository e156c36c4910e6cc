//! ext2, ext3 and ext4, read as the kernel reads them ("The Linux kernel: ext4 data structures and algorithms").
//!
//! | file | holds |
//! |---|---|
//! | [`superblock`] | the geometry, what the file system can do, whether it was unmounted |
//! | [`journal`] | blocks that are newer in the journal of one that was not unmounted |
//! | [`inode`] | the facts of a file |
//! | [`map`] | which block of the disk holds which block of a file: extents, or lists of blocks |
//! | [`directory`] | names |

mod checksum;
mod directory;
mod inode;
mod journal;
mod map;
mod superblock;

use std::cell::RefCell;
use std::ops::ControlFlow;

use self::inode::Inode;
use self::journal::Replay;
use self::superblock::Superblock;
use super::cache::Window;
use super::entry::{Kind, Node};
use super::error::BrowseError;
use super::filesystem::{Extent, FileSystem, Visit};

pub(super) use self::superblock::is_ext;

/// Of a symbolic link's target: a page, as Linux has it.
const TARGET_MAXIMUM: u64 = 4096;
/// Of a directory. Millions of names fit; a crafted one could otherwise keep a reader busy for hours.
const DIRECTORY_BYTES_MAXIMUM: u64 = 1 << 30;
const ROOT: u32 = 2;

/// An open file system.
pub(super) struct Ext {
    disk: Window,
    superblock: Superblock,
    /// Blocks that are to be taken from elsewhere on the disk.
    replay: Replay,
    /// The inode that was read last: a file is read in many pieces.
    last: RefCell<Option<(u64, Inode)>>,
}

impl Ext {
    pub(super) fn open(disk: Window) -> Result<Self, BrowseError> {
        let superblock = Superblock::read(&disk)?;
        let mut ext = Self { disk, superblock, replay: Replay::default(), last: RefCell::default() };
        if ext.superblock.needs_replay() {
            ext.replay = journal::replay(&ext)?;
            // The inode of the journal was read without what the journal has.
            ext.last.replace(None);
            ext.superblock = ext.superblock.replayed(&ext)?;
        }
        Ok(ext)
    }

    fn block_size(&self) -> u64 {
        self.superblock.block_size
    }

    /// Fills the buffer from a place within one block.
    fn read_block(&self, block: u64, within: u64, buffer: &mut [u8]) -> Result<(), BrowseError> {
        if block == 0 || block >= self.superblock.blocks || within + buffer.len() as u64 > self.block_size() {
            return Err(BrowseError::damaged(format!("block {block} of {} is asked for", self.superblock.blocks)));
        }
        let (place, escaped) = self.replay.place(block);
        self.disk.read(place.saturating_mul(self.block_size()).saturating_add(within), buffer)?;
        if escaped {
            journal::unescape(within, buffer);
        }
        Ok(())
    }

    fn whole_block(&self, block: u64) -> Result<Vec<u8>, BrowseError> {
        let mut bytes = vec![0; usize::try_from(self.block_size()).unwrap_or(0)];
        self.read_block(block, 0, &mut bytes)?;
        Ok(bytes)
    }

    fn inode(&self, node: &Node) -> Result<Inode, BrowseError> {
        if let Some((number, inode)) = &*self.last.borrow()
            && *number == node.handle
        {
            return Ok(inode.clone());
        }
        let inode = Inode::read(self, u32::try_from(node.handle).unwrap_or(0))?;
        self.last.replace(Some((node.handle, inode.clone())));
        Ok(inode)
    }
}

impl FileSystem for Ext {
    fn kind(&self) -> &'static str {
        self.superblock.kind()
    }

    fn label(&self) -> String {
        self.superblock.label.clone()
    }

    fn root(&self) -> Result<Node, BrowseError> {
        let root = Inode::read(self, ROOT)?.node(ROOT)?;
        match root.kind {
            Kind::Directory => Ok(root),
            _ => Err(BrowseError::damaged("its root is no directory")),
        }
    }

    fn visit(&self, directory: &Node, visit: &mut Visit<'_>) -> Result<(), BrowseError> {
        let inode = self.inode(directory)?;
        inode.check_readable("directories")?;
        if inode.size > DIRECTORY_BYTES_MAXIMUM {
            return Err(BrowseError::damaged(format!("a directory has {} bytes", inode.size)));
        }
        let (block_size, mut index) = (self.block_size(), 0);
        while index < inode.size.div_ceil(block_size) {
            let run = map::run(self, &inode, index)?;
            let Some(block) = run.place else {
                // A directory has no holes; what is behind one may still be good.
                index += run.blocks;
                continue;
            };
            let bytes = self.whole_block(block)?;
            if directory::visit(&bytes, self.superblock.has_types(), visit)?.is_break() {
                return Ok(());
            }
            index += 1;
        }
        Ok(())
    }

    fn node(&self, _: &Node, key: u64) -> Result<Node, BrowseError> {
        let number = u32::try_from(key).unwrap_or(0);
        Inode::read(self, number)?.node(number)
    }

    fn target(&self, link: &Node) -> Result<Vec<u8>, BrowseError> {
        let inode = self.inode(link)?;
        inode.check_encryption()?;
        if let Some(target) = inode.fast_target() {
            return Ok(target);
        }
        if inode.size == 0 || inode.size > TARGET_MAXIMUM {
            return Err(BrowseError::damaged(format!("a symbolic link has {} bytes", inode.size)));
        }
        let mut target = vec![0; usize::try_from(inode.size).unwrap_or(0)];
        let mut done = 0;
        while done < target.len() {
            done += self.read(link, done as u64, &mut target[done..])?;
        }
        Ok(target)
    }

    fn extent(&self, file: &Node, from: u64) -> Result<Extent, BrowseError> {
        let inode = self.inode(file)?;
        inode.check_readable("files")?;
        let run = map::run(self, &inode, from / self.block_size())?;
        let end = (from / self.block_size() + run.blocks).saturating_mul(self.block_size()).min(inode.size);
        Ok(if run.place.is_some() { Extent::DataUpTo(end) } else { Extent::HoleUpTo(end) })
    }

    fn read(&self, file: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, BrowseError> {
        let inode = self.inode(file)?;
        inode.check_readable("files")?;
        self.disk.cancel().check()?;
        let (index, within) = (offset / self.block_size(), offset % self.block_size());
        let run = map::run(self, &inode, index)?;
        let there = (run.blocks.saturating_mul(self.block_size()) - within).min(inode.size.saturating_sub(offset));
        let length = buffer.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..length];
        let Some(first) = run.place else {
            buffer.fill(0);
            return Ok(length);
        };
        let (mut done, mut block, mut within) = (0, first, within);
        while done < length {
            let piece = usize::try_from(self.block_size() - within).unwrap_or(0).min(length - done);
            self.read_block(block, within, &mut buffer[done..done + piece])?;
            done += piece;
            block += 1;
            within = 0;
        }
        Ok(length)
    }
}

/// So that a visit that is over is not taken for one that goes on.
type Visited = ControlFlow<()>;
