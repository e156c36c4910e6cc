//! The superblock: 1024 bytes at byte 1024.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0x00 | 4 | number of inodes |
//! | 0x04, 0x150 | 4 + 4 | number of blocks, low and high |
//! | 0x14 | 4 | block that group 0 begins with |
//! | 0x18 | 4 | block size: 1024 shifted by this |
//! | 0x20 | 4 | blocks in a group |
//! | 0x28 | 4 | inodes in a group |
//! | 0x38 | 2 | 0xef53 |
//! | 0x4c | 4 | revision; 0 has inodes of 128 bytes and no features |
//! | 0x58 | 2 | size of an inode |
//! | 0x5c, 0x60, 0x64 | 4 each | features: compatible, incompatible, read-only compatible |
//! | 0x68 | 16 | UUID |
//! | 0x78 | 16 | label |
//! | 0xe0 | 4 | inode of the journal |
//! | 0xfe | 2 | size of a group descriptor, with 64-bit |
//! | 0x104 | 4 | first group of descriptors that lies in its own group |
//! | 0x270 | 4 | seed of checksums |
//! | 0x3fc | 4 | checksum of all before it |

use super::super::cache::{Window, number};
use super::super::error::BrowseError;
use super::Ext;
use super::checksum::{START, crc};

const PLACE: u64 = 1024;
const LENGTH: usize = 1024;
const MAGIC: u16 = 0xef53;
/// 64 KiB.
const BLOCK_SHIFT_MAXIMUM: u32 = 6;

mod compatible {
    pub(super) const JOURNAL: u32 = 0x4;
}

mod incompatible {
    pub(super) const TYPES: u32 = 0x2;
    pub(super) const RECOVER: u32 = 0x4;
    pub(super) const JOURNAL_DEVICE: u32 = 0x8;
    pub(super) const META_GROUPS: u32 = 0x10;
    pub(super) const EXTENTS: u32 = 0x40;
    pub(super) const BITS_64: u32 = 0x80;
    pub(super) const SEED: u32 = 0x2000;
    /// All of which nothing has to be known but what this module knows. Flexible groups (0x200), protection against
    /// two mounts (0x100), large values of attributes (0x400), large directories (0x4000), inline data (0x8000),
    /// encryption (0x10000) and names without case (0x20000) matter to single files or to writers.
    pub(super) const KNOWN: u32 = TYPES
        | RECOVER
        | META_GROUPS
        | EXTENTS
        | BITS_64
        | 0x100
        | 0x200
        | 0x400
        | SEED
        | 0x4000
        | 0x8000
        | 0x1_0000
        | 0x2_0000;
}

mod read_only {
    pub(super) const SPARSE: u32 = 0x1;
    pub(super) const HUGE_FILES: u32 = 0x8;
    pub(super) const CHECKSUMS: u32 = 0x400;
}

/// What of it reading needs.
#[derive(Clone, Debug)]
pub(in super::super) struct Superblock {
    pub(super) block_size: u64,
    pub(super) blocks: u64,
    pub(super) inodes: u32,
    pub(super) inode_size: u64,
    pub(super) label: String,
    pub(super) uuid: [u8; 16],
    pub(super) journal_inode: u32,
    /// Where checksums of inodes go on from; none without checksums.
    pub(super) seed: Option<u32>,
    first_block: u64,
    blocks_per_group: u64,
    inodes_per_group: u32,
    descriptor_size: u64,
    first_meta_group: u64,
    compatible: u32,
    incompatible: u32,
    read_only: u32,
}

/// Whether there is one.
pub(in super::super) fn is_ext(disk: &Window) -> Result<bool, BrowseError> {
    Ok(number::u16(&disk.peek(PLACE, LENGTH)?, 0x38) == MAGIC)
}

impl Superblock {
    pub(super) fn read(disk: &Window) -> Result<Self, BrowseError> {
        let mut bytes = [0; LENGTH];
        disk.read(PLACE, &mut bytes)?;
        Self::of(&bytes)?.fitting(disk)
    }

    fn of(bytes: &[u8; LENGTH]) -> Result<Self, BrowseError> {
        let (u16, u32) = (|at| number::u16(bytes, at), |at| number::u32(bytes, at));
        let wrong = |what: &str| Err(BrowseError::damaged(format!("the superblock's {what} can't be")));
        let is_old = u32(0x4c) == 0;
        let features = |at| if is_old { 0 } else { u32(at) };
        let (incompatible, read_only) = (features(0x60), features(0x64));
        check_features(incompatible)?;
        let has_checksums = read_only & read_only::CHECKSUMS != 0;
        if has_checksums && crc(START, &bytes[..0x3fc]) != u32(0x3fc) {
            return wrong("checksum");
        }
        let shift = u32(0x18);
        if shift > BLOCK_SHIFT_MAXIMUM {
            return wrong("block size");
        }
        let block_size = 1024_u64 << shift;
        let is_64_bit = incompatible & incompatible::BITS_64 != 0;
        let high = if is_64_bit { u64::from(u32(0x150)) << 32 } else { 0 };
        let inode_size = if is_old { 128 } else { u64::from(u16(0x58)) };
        if !inode_size.is_power_of_two() || inode_size < 128 || inode_size > block_size {
            return wrong("size of inodes");
        }
        let descriptor_size = if is_64_bit { u64::from(u16(0xfe)) } else { 32 };
        if !descriptor_size.is_power_of_two() || descriptor_size < 32 || descriptor_size > block_size {
            return wrong("size of group descriptors");
        }
        let (blocks_per_group, inodes_per_group) = (u64::from(u32(0x20)), u32(0x28));
        if blocks_per_group == 0 || inodes_per_group == 0 {
            return wrong("size of groups");
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[0x68..0x78]);
        let seed = if incompatible & incompatible::SEED != 0 { u32(0x270) } else { crc(START, &uuid) };
        let label = bytes[0x78..0x88].split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self {
            block_size,
            blocks: u64::from(u32(0x4)) | high,
            inodes: u32(0),
            inode_size,
            label: String::from_utf8_lossy(label).into_owned(),
            uuid,
            journal_inode: u32(0xe0),
            seed: has_checksums.then_some(seed),
            first_block: u64::from(u32(0x14)),
            blocks_per_group,
            inodes_per_group,
            descriptor_size,
            first_meta_group: u64::from(u32(0x104)),
            compatible: features(0x5c),
            incompatible,
            read_only,
        })
    }

    /// As the journal has it: an expansion of a mounted file system may be nowhere else.
    pub(super) fn replayed(&self, ext: &Ext) -> Result<Self, BrowseError> {
        // Blocks of 1024 bytes have it in block 1, all others behind the first 1024 bytes of block 0.
        let (block, within) = (PLACE / self.block_size, PLACE % self.block_size);
        if !ext.replay.has(block) {
            return Ok(self.clone());
        }
        let (place, is_escaped) = ext.replay.place(block);
        let mut bytes = [0; LENGTH];
        ext.disk.read(place.saturating_mul(self.block_size).saturating_add(within), &mut bytes)?;
        if is_escaped {
            super::journal::unescape(within, &mut bytes);
        }
        Self::of(&bytes)?.fitting(&ext.disk)
    }

    fn fitting(self, disk: &Window) -> Result<Self, BrowseError> {
        if self.blocks.checked_mul(self.block_size).is_some_and(|size| size <= disk.size()) {
            return Ok(self);
        }
        let (blocks, size) = (self.blocks, disk.size());
        Err(BrowseError::damaged(format!(
            "it has {blocks} blocks of {} bytes, and its disk {size} bytes",
            self.block_size
        )))
    }

    pub(super) const fn kind(&self) -> &'static str {
        if self.incompatible & (incompatible::EXTENTS | incompatible::BITS_64) != 0
            || self.read_only & (read_only::HUGE_FILES | read_only::CHECKSUMS) != 0
        {
            "ext4"
        } else if self.compatible & compatible::JOURNAL != 0 {
            "ext3"
        } else {
            "ext2"
        }
    }

    /// Not unmounted: the journal has what the other blocks lack.
    pub(super) const fn needs_replay(&self) -> bool {
        self.incompatible & incompatible::RECOVER != 0 && self.compatible & compatible::JOURNAL != 0
    }

    /// Whether names have the type of what they lead to beside them; else their length has two bytes.
    pub(super) const fn has_types(&self) -> bool {
        self.incompatible & incompatible::TYPES != 0
    }

    /// Block and byte within it of an inode.
    pub(super) fn inode_place(&self, ext: &Ext, inode: u32) -> Result<(u64, u64), BrowseError> {
        let index = inode.checked_sub(1).filter(|_| inode <= self.inodes);
        let index = index.ok_or_else(|| BrowseError::damaged(format!("a name leads to inode {inode}")))?;
        let table = self.inode_table(ext, u64::from(index / self.inodes_per_group))?;
        let byte = u64::from(index % self.inodes_per_group) * self.inode_size;
        let block = table.checked_add(byte / self.block_size);
        let block = block.ok_or_else(|| BrowseError::damaged(format!("inode {inode} is nowhere")))?;
        Ok((block, byte % self.block_size))
    }

    fn inode_table(&self, ext: &Ext, group: u64) -> Result<u64, BrowseError> {
        let per_block = self.block_size / self.descriptor_size;
        let mut bytes = [0; 64];
        let length = if self.descriptor_size >= 64 { 64 } else { 32 };
        let block = self.descriptor_block(group / per_block, per_block);
        ext.read_block(block, group % per_block * self.descriptor_size, &mut bytes[..length])?;
        Ok(u64::from(number::u32(&bytes, 0x8)) | u64::from(number::u32(&bytes, 0x28)) << 32)
    }

    /// The block with the descriptors of a run of `per_block` groups.
    fn descriptor_block(&self, run: u64, per_block: u64) -> u64 {
        if self.incompatible & incompatible::META_GROUPS == 0 || run < self.first_meta_group {
            return self.first_block + 1 + run;
        }
        let group = run * per_block;
        self.first_block + group * self.blocks_per_group + u64::from(self.has_copy(group))
    }

    /// Whether a group begins with a copy of the superblock.
    fn has_copy(&self, group: u64) -> bool {
        let is_power_of = |base: u64| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        self.read_only & read_only::SPARSE == 0 || group <= 1 || [3, 5, 7].into_iter().any(is_power_of)
    }
}

fn check_features(incompatible: u32) -> Result<(), BrowseError> {
    let unknown = incompatible & !incompatible::KNOWN;
    if incompatible & incompatible::JOURNAL_DEVICE != 0 {
        return Err(BrowseError::NoFileSystem("it is the journal of an ext4 that is elsewhere".to_owned()));
    }
    if unknown != 0 {
        let why = format!("it has features that are not known here ({unknown:#x})");
        return Err(BrowseError::Unsupported { filesystem: "this ext4", why });
    }
    Ok(())
}
