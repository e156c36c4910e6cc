//! FAT12, FAT16 and FAT32 with long names (Microsoft's "FAT: General Overview of On-Disk Format", 1.03).
//!
//! The first sector:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 11 | 2 | bytes in a sector |
//! | 13 | 1 | sectors in a cluster |
//! | 14 | 2 | sectors before the first table |
//! | 16 | 1 | number of tables |
//! | 17 | 2 | entries of the root directory; 0 for FAT32 |
//! | 19, 32 | 2, 4 | number of sectors |
//! | 22, 36 | 2, 4 | sectors of a table |
//! | 44 | 4 | FAT32: first cluster of the root directory |
//! | 43 or 71 | 11 | label |

mod directory;

use std::cell::Cell;
use std::ops::ControlFlow;

use super::cache::{Window, number};
use super::entry::{Kind, Node};
use super::error::BrowseError;
use super::filesystem::{Extent, FileSystem, Visit};

/// A directory has at most 65536 entries of 32 bytes.
const DIRECTORY_BYTES_MAXIMUM: u64 = 2 << 20;
/// Key of the root of FAT12 and FAT16, which has no cluster.
const FIXED_ROOT: u64 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

/// An open file system.
pub(super) struct Fat {
    disk: Window,
    width: Width,
    label: String,
    cluster_bytes: u64,
    clusters: u64,
    /// Bytes from the beginning.
    table: u64,
    data: u64,
    root: u64,
    root_bytes: u64,
    root_cluster: u64,
    /// How far the chain was followed last: first cluster, index, cluster. A file is read in many pieces.
    known: Cell<(u64, u64, u64)>,
}

/// Whether there is one: a boot sector whose numbers fit together, and that says so.
pub(super) fn is_fat(disk: &Window) -> Result<bool, BrowseError> {
    let boot = disk.peek(0, 512)?;
    let says_so = [54, 82].into_iter().any(|at| boot.get(at..at + 3) == Some(b"FAT"));
    Ok(says_so && number::u16(&boot, 510) == 0xaa55 && Fat::open(disk.clone()).is_ok())
}

impl Fat {
    pub(super) fn open(disk: Window) -> Result<Self, BrowseError> {
        let boot = disk.peek(0, 512)?;
        let wrong = || BrowseError::damaged("the numbers in its first sector don't fit together");
        let (u16, u32) = (|at| u64::from(number::u16(&boot, at)), |at| u64::from(number::u32(&boot, at)));
        let byte = |at: usize| boot.get(at).copied().unwrap_or(0);
        let (sector, per_cluster) = (u16(11), u64::from(byte(13)));
        if !matches!(sector, 512 | 1024 | 2048 | 4096) || !per_cluster.is_power_of_two() {
            return Err(wrong());
        }
        let sectors = if u16(19) == 0 { u32(32) } else { u16(19) };
        let table_sectors = if u16(22) == 0 { u32(36) } else { u16(22) };
        let root_sectors = (u16(17) * 32).div_ceil(sector);
        let root = u16(14) + u64::from(byte(16)) * table_sectors;
        let data = root + root_sectors;
        let clusters = sectors.checked_sub(data).ok_or_else(wrong)? / per_cluster;
        let width = match clusters {
            _ if u16(17) == 0 => Width::Bits32,
            0..4085 => Width::Bits12,
            _ => Width::Bits16,
        };
        let is_covered = table_sectors * sector * 8 / u64::from(width.bits()) >= clusters + 2;
        if u16(14) == 0 || byte(16) == 0 || clusters == 0 || !is_covered || sectors * sector > disk.size() {
            return Err(wrong());
        }
        let label_at = if width == Width::Bits32 { 71 } else { 43 };
        let label = String::from_utf8_lossy(boot.get(label_at..label_at + 11).unwrap_or_default());
        let label = label.trim().to_owned();
        Ok(Self {
            width,
            label: if label == "NO NAME" { String::new() } else { label },
            cluster_bytes: sector * per_cluster,
            clusters,
            table: u16(14) * sector,
            data: data * sector,
            root: root * sector,
            root_bytes: root_sectors * sector,
            root_cluster: if width == Width::Bits32 { u32(44) & 0x0fff_ffff } else { FIXED_ROOT },
            known: Cell::new((0, 0, 0)),
            disk,
        })
    }

    /// The cluster behind this one; none at the end.
    fn next(&self, cluster: u64) -> Result<Option<u64>, BrowseError> {
        let mut bytes = [0; 4];
        let (value, end) = match self.width {
            Width::Bits12 => {
                self.disk.read(self.table + cluster + cluster / 2, &mut bytes[..2])?;
                let pair = number::u32(&bytes, 0);
                (if cluster.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }, 0xff7)
            }
            Width::Bits16 => {
                self.disk.read(self.table + cluster * 2, &mut bytes[..2])?;
                (number::u32(&bytes, 0), 0xfff7)
            }
            Width::Bits32 => {
                self.disk.read(self.table + cluster * 4, &mut bytes)?;
                (number::u32(&bytes, 0) & 0x0fff_ffff, 0x0fff_fff7)
            }
        };
        if value >= end { Ok(None) } else { self.checked(value.into()).map(Some) }
    }

    fn checked(&self, cluster: u64) -> Result<u64, BrowseError> {
        if (2..self.clusters + 2).contains(&cluster) {
            return Ok(cluster);
        }
        Err(BrowseError::damaged(format!("a chain leads to cluster {cluster} of {}", self.clusters)))
    }

    /// The cluster that is number `index` of the chain that begins with `first`; none behind its end.
    fn cluster(&self, first: u64, index: u64) -> Result<Option<u64>, BrowseError> {
        let (known_first, known_index, known) = self.known.get();
        let (mut at, mut cluster) =
            if known_first == first && known_index <= index { (known_index, known) } else { (0, self.checked(first)?) };
        // The index comes from a size that was checked: a ring can't keep this going.
        while at < index {
            self.disk.cancel().check()?;
            let Some(next) = self.next(cluster)? else { return Ok(None) };
            (at, cluster) = (at + 1, next);
        }
        self.known.set((first, at, cluster));
        Ok(Some(cluster))
    }

    /// Where bytes of a directory are, and how many lie there together; none behind its end.
    fn directory_place(&self, directory: &Node, offset: u64) -> Result<Option<(u64, u64)>, BrowseError> {
        if directory.handle == FIXED_ROOT {
            let left = self.root_bytes.saturating_sub(offset);
            return Ok((left > 0).then_some((self.root + offset, left)));
        }
        if offset >= DIRECTORY_BYTES_MAXIMUM {
            return Ok(None);
        }
        let cluster = self.cluster(directory.handle, offset / self.cluster_bytes)?;
        Ok(cluster.map(|cluster| self.place(cluster, offset % self.cluster_bytes)))
    }

    /// Byte within a cluster on the disk, and how many follow in it.
    const fn place(&self, cluster: u64, within: u64) -> (u64, u64) {
        (self.data + (cluster - 2) * self.cluster_bytes + within, self.cluster_bytes - within)
    }
}

impl Width {
    const fn bits(self) -> u32 {
        match self {
            Self::Bits12 => 12,
            Self::Bits16 => 16,
            Self::Bits32 => 32,
        }
    }
}

impl FileSystem for Fat {
    fn kind(&self) -> &'static str {
        match self.width {
            Width::Bits12 => "FAT12",
            Width::Bits16 => "FAT16",
            Width::Bits32 => "FAT32",
        }
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn root(&self) -> Result<Node, BrowseError> {
        Ok(directory::node_of(Kind::Directory, 0, 0, self.root_cluster))
    }

    fn visit(&self, directory: &Node, visit: &mut Visit<'_>) -> Result<(), BrowseError> {
        let mut names = directory::Names::default();
        let mut offset = 0;
        while let Some((place, there)) = self.directory_place(directory, offset)? {
            let mut bytes = vec![0; usize::try_from(there.min(1 << 16)).unwrap_or(0)];
            self.disk.read(place, &mut bytes)?;
            for (index, entry) in bytes.chunks_exact(directory::ENTRY).enumerate() {
                let key = place + (index * directory::ENTRY) as u64;
                match names.take(entry) {
                    directory::Seen::End => return Ok(()),
                    directory::Seen::Nothing => {}
                    directory::Seen::Name(name) => {
                        if visit(&name, key) == ControlFlow::Break(()) {
                            return Ok(());
                        }
                    }
                }
            }
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    fn node(&self, _: &Node, key: u64) -> Result<Node, BrowseError> {
        let mut entry = [0; directory::ENTRY];
        self.disk.read(key, &mut entry)?;
        directory::node(&entry, self.width == Width::Bits32, self.root_cluster)
    }

    /// As every system that writes FAT has it: large and small letters are one.
    fn is_same_name(&self, one: &[u8], other: &[u8]) -> bool {
        String::from_utf8_lossy(one).to_lowercase() == String::from_utf8_lossy(other).to_lowercase()
    }

    fn target(&self, _: &Node) -> Result<Vec<u8>, BrowseError> {
        Err(BrowseError::damaged("FAT has no symbolic links"))
    }

    /// FAT has no holes.
    fn extent(&self, file: &Node, _: u64) -> Result<Extent, BrowseError> {
        Ok(Extent::DataUpTo(file.size))
    }

    fn read(&self, file: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, BrowseError> {
        // A chain that is a ring goes on for ever.
        if file.size > self.clusters * self.cluster_bytes {
            return Err(BrowseError::damaged(format!("a file has {} bytes", file.size)));
        }
        let left = file.size.saturating_sub(offset);
        let cluster = self.cluster(file.handle, offset / self.cluster_bytes)?;
        let cluster = cluster.ok_or_else(|| BrowseError::damaged("a file's chain ends before the file"))?;
        let (place, there) = self.place(cluster, offset % self.cluster_bytes);
        let length = buffer.len().min(usize::try_from(there.min(left)).unwrap_or(usize::MAX));
        self.disk.read(place, &mut buffer[..length])?;
        Ok(length)
    }
}
