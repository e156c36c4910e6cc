//! The first bytes of an image, checked.
//!
//! | bytes | field (big-endian) |
//! |---|---|
//! | 0–3, 4–7 | magic, version (2 or 3) |
//! | 8–15, 16–19 | place and length of the backing file's name |
//! | 20–23, 24–31 | cluster bits, virtual size |
//! | 32–35 | encryption |
//! | 36–39, 40–47 | entries and place of the L1 table |
//! | 48–71 | refcounts and snapshots, of no meaning for a reader |
//! | 72–79 | version 3: features a reader must know |
//! | 80–99 | version 3: other features, width of refcounts |
//! | 100–103 | version 3: length of this header |
//! | 104 | compression, where the header is that long |

use std::path::Path;

use super::MAGIC;
use super::compression::Compression;
use crate::image_format::ImageError;

/// Bytes of the file that hold the longest header known.
pub(super) const LENGTH_READ: usize = 112;
const V2_LENGTH: usize = 72;
const V3_LENGTH: usize = 104;

/// QEMU makes and opens images with clusters of 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// Subclusters of at least 512 bytes need clusters of 16 KiB.
const EXTENDED_CLUSTER_BITS_MINIMUM: u32 = 14;
/// QEMU's own bound of an L1 table, in bytes.
const L1_MAXIMUM: u64 = 32 << 20;
/// Offsets in files are signed.
const SIZE_MAXIMUM: u64 = i64::MAX as u64;

/// Refcounts may be out of date, which a reader does not mind.
const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// What the reader has to know of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    /// Virtual size in bytes.
    pub(super) size: u64,
    pub(super) l1_offset: u64,
    pub(super) compression: Compression,
    /// L2 entries have a second word, for parts of a cluster.
    pub(super) extended: bool,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Damaged(String),
    Unsupported(String),
}

impl Problem {
    pub(super) fn of(self, path: &Path) -> ImageError {
        let path = path.to_path_buf();
        match self {
            Self::Damaged(why) => ImageError::Damaged { path, why },
            Self::Unsupported(why) => ImageError::Unsupported { path, why },
        }
    }
}

impl Header {
    /// `start` holds the first bytes of the file, at most [`LENGTH_READ`].
    pub(super) fn parse(start: &[u8], file_length: u64) -> Result<Self, Problem> {
        let fields = Fields(start);
        if start.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(Problem::Damaged("it does not begin as a qcow2 image".to_owned()));
        }
        let version = fields.u32(4)?;
        let features = match version {
            2 => {
                fields.check(V2_LENGTH)?;
                0
            }
            3 => {
                fields.check(V3_LENGTH)?;
                fields.u64(72)?
            }
            _ => return Err(Problem::Unsupported(format!("its version is {version}, and 2 and 3 are known"))),
        };
        refuse_features(features)?;
        refuse_other_files(fields.u64(8)?, fields.u32(16)?, fields.u32(32)?)?;
        let header = Self {
            version,
            cluster_bits: fields.u32(20)?,
            size: fields.u64(24)?,
            l1_offset: fields.u64(40)?,
            compression: fields.compression(version, features)?,
            extended: features & EXTENDED_L2 != 0,
        };
        header.check_clusters()?;
        header.check_l1(fields.u32(36)?, file_length)?;
        Ok(header)
    }

    pub(super) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub(super) fn l2_entry_bytes(&self) -> u64 {
        if self.extended { 16 } else { 8 }
    }

    /// Entries in one L2 table, which fills a cluster.
    pub(super) fn l2_entries(&self) -> u64 {
        self.cluster_size() / self.l2_entry_bytes()
    }

    fn check_clusters(&self) -> Result<(), Problem> {
        if !CLUSTER_BITS.contains(&self.cluster_bits)
            || (self.extended && self.cluster_bits < EXTENDED_CLUSTER_BITS_MINIMUM)
        {
            return Err(Problem::Damaged(format!("clusters of 2^{} bytes are not possible", self.cluster_bits)));
        }
        if self.size > SIZE_MAXIMUM {
            return Err(Problem::Damaged(format!("a virtual size of {} bytes is not possible", self.size)));
        }
        Ok(())
    }

    /// Every place inside the virtual size has its entry in the L1 table, and the table lies inside the file.
    fn check_l1(&self, entries: u32, file_length: u64) -> Result<(), Problem> {
        let needed = self.size.div_ceil(self.cluster_size()).div_ceil(self.l2_entries());
        let (entries, bytes) = (u64::from(entries), u64::from(entries) * 8);
        if entries < needed || bytes > L1_MAXIMUM {
            let size = self.size;
            return Err(Problem::Damaged(format!("its L1 table has {entries} entries and {size} bytes need {needed}")));
        }
        if needed == 0 {
            return Ok(());
        }
        if !self.l1_offset.is_multiple_of(self.cluster_size()) || self.l1_offset == 0 {
            return Err(Problem::Damaged(format!("its L1 table cannot be at {}", self.l1_offset)));
        }
        match self.l1_offset.checked_add(needed * 8) {
            Some(end) if end <= file_length => Ok(()),
            _ => Err(Problem::Damaged(format!("it ends at byte {file_length}, before its L1 table does"))),
        }
    }
}

fn refuse_features(features: u64) -> Result<(), Problem> {
    if features & CORRUPT != 0 {
        return Err(Problem::Damaged("it is marked as corrupt".to_owned()));
    }
    if features & EXTERNAL_DATA != 0 {
        return Err(Problem::Unsupported("its data is in another file".to_owned()));
    }
    let unknown = features & !(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2);
    if unknown != 0 {
        return Err(Problem::Unsupported(format!("it needs features that are not known here ({unknown:#x})")));
    }
    Ok(())
}

fn refuse_other_files(name_offset: u64, name_length: u32, encryption: u32) -> Result<(), Problem> {
    if name_offset != 0 && name_length != 0 {
        return Err(Problem::Unsupported("it is only the difference to a backing file of its own".to_owned()));
    }
    if encryption != 0 {
        return Err(Problem::Unsupported("it is encrypted".to_owned()));
    }
    Ok(())
}

/// Big-endian numbers at their places.
struct Fields<'start>(&'start [u8]);

impl Fields<'_> {
    fn check(&self, length: usize) -> Result<(), Problem> {
        if self.0.len() < length { Err(cut_off()) } else { Ok(()) }
    }

    fn u32(&self, at: usize) -> Result<u32, Problem> {
        self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes).ok_or_else(cut_off)
    }

    fn u64(&self, at: usize) -> Result<u64, Problem> {
        self.0.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes).ok_or_else(cut_off)
    }

    /// A header without the field, or version 2, means deflate.
    fn compression(&self, version: u32, features: u64) -> Result<Compression, Problem> {
        if version < 3 {
            return Ok(Compression::Deflate);
        }
        let length = self.u32(100)?;
        if (length as usize) < V3_LENGTH || !length.is_multiple_of(8) {
            return Err(Problem::Damaged(format!("a header of {length} bytes is not possible")));
        }
        let kind = if length as usize > V3_LENGTH { *self.0.get(V3_LENGTH).ok_or_else(cut_off)? } else { 0 };
        match (kind, features & COMPRESSION_TYPE != 0) {
            (0, false) => Ok(Compression::Deflate),
            (1, true) => Ok(Compression::Zstd),
            (0 | 1, _) => Err(Problem::Damaged("its features and its compression contradict each other".to_owned())),
            (other, _) => Err(Problem::Unsupported(format!("its compression, number {other}, is not known here"))),
        }
    }
}

fn cut_off() -> Problem {
    Problem::Damaged("it ends inside its header".to_owned())
}
