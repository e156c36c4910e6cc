//! Single layers, not looked at through the chain: what a rebuild copies.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use super::directory::STAT_BLOCK;
use super::stack::Structure;
use super::{Replica, ReplicaError};
use crate::disk::gathered;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};

/// One layer of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    pub file_name: String,
    /// File name of the layer below; empty for the root.
    pub parent: String,
    /// Marked as removed: in the chain, but not shown to users.
    pub removed: bool,
    pub user_created: bool,
    /// RFC 3339, UTC.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    /// Storage the file takes on the disk, in bytes.
    pub allocated_bytes: u64,
    /// Apparent size in bytes: the volume's size when this layer was the head.
    pub file_size: u64,
    pub is_head: bool,
    /// There is metadata and no image: nothing can be read from here, and what lies below is kept for it.
    #[serde(default)]
    pub image_missing: bool,
}

impl Replica {
    /// Every layer, those of other branches and the head included, sorted by file name (the head comes first).
    ///
    /// # Errors
    /// A file could not be looked at.
    pub fn layers(&self) -> Result<Vec<LayerInfo>, ReplicaError> {
        self.shared(|structure| {
            let describe = |(name, record): (&String, &super::metadata::LayerMeta)| {
                let image_missing = structure.records.lacks_image(name);
                let (allocated_bytes, file_size) = if image_missing { (0, 0) } else { self.sizes_of(name)? };
                Ok(LayerInfo {
                    file_name: name.clone(),
                    parent: record.parent.clone(),
                    removed: record.removed,
                    user_created: record.user_created,
                    created: record.created.clone(),
                    labels: record.labels.clone().unwrap_or_default(),
                    allocated_bytes,
                    file_size,
                    is_head: *name == structure.meta.head,
                    image_missing,
                })
            };
            structure.records.0.iter().map(describe).collect()
        })
    }

    /// Storage and apparent size in bytes.
    fn sizes_of(&self, file_name: &str) -> Result<(u64, u64), DiskError> {
        let path = self.directory.file(file_name);
        let facts = std::fs::symlink_metadata(&path).map_err(DiskError::at("look at", &path))?;
        Ok((facts.blocks() * STAT_BLOCK, facts.size()))
    }

    /// Ranges `(offset, length)` in bytes with storage in one layer, at or after `from`, at most `max` of them,
    /// allocated zeros included. Ranges that touch are one. To go on, ask from the end of the last one.
    ///
    /// # Errors
    /// [`ReplicaError::LayerNotFound`], or the file system's.
    pub fn layer_extents(&self, file_name: &str, from: u64, max: usize) -> Result<Vec<(u64, u64)>, ReplicaError> {
        self.shared(|structure| {
            let image = self.raw_layer(structure, file_name)?;
            let size = image.size()?;
            let mut found: Vec<(u64, u64)> = Vec::new();
            image.for_each_extent(from, size, |extent| {
                let start = extent.offset.max(from);
                let end = (extent.offset + extent.length).min(size);
                let full = found.len() >= max;
                match found.last_mut() {
                    _ if start >= end => {}
                    Some((offset, length)) if *offset + *length >= start => {
                        *length = end.max(*offset + *length) - *offset;
                    }
                    _ if full => return false,
                    _ => found.push((start, end - start)),
                }
                true
            })?;
            Ok(found)
        })
    }

    /// `length` bytes of one layer's file, at any alignment; zeros in holes and past its end.
    ///
    /// # Errors
    /// [`ReplicaError::LayerNotFound`], or the disk's.
    pub fn layer_read(&self, file_name: &str, offset: u64, length: u32) -> Result<AlignedBuf, ReplicaError> {
        self.check_range("a read of a layer", offset, u64::from(length))?;
        self.shared(|structure| {
            let image = self.raw_layer(structure, file_name)?;
            super::read::cut(offset, length, |blocks, buffer| Ok(image.read_blocks(blocks.start * BLOCK_SIZE, buffer)?))
        })
    }

    /// The bytes of the parts of one layer's file, counted from `offset`, one behind the other; zeros in holes and past its
    /// end.
    ///
    /// # Errors
    /// [`ReplicaError::LayerNotFound`], [`ReplicaError::Unaligned`], [`ReplicaError::OutOfRange`], or the disk's.
    pub(crate) fn layer_read_parts(
        &self,
        file_name: &str,
        offset: u64,
        parts: &[Range<u32>],
    ) -> Result<AlignedBuf, ReplicaError> {
        self.check_parts("a read of a layer", offset, parts)?;
        self.shared(|structure| Ok(gathered::read(&self.raw_layer(structure, file_name)?, offset, parts)?))
    }

    /// Parts have to be whole blocks within the volume. Returns the bytes from `offset` to the end of the last one.
    pub(super) fn check_parts(
        &self,
        what: &'static str,
        offset: u64,
        parts: &[Range<u32>],
    ) -> Result<u64, ReplicaError> {
        let length = parts.last().map_or(0, |part| part.end.into());
        let is_whole = |bytes: u64| bytes.is_multiple_of(BLOCK_SIZE);
        if !is_whole(offset) || !parts.iter().all(|part| is_whole(part.start.into()) && is_whole(part.end.into())) {
            return Err(ReplicaError::Unaligned { what, offset, length });
        }
        self.check_range(what, offset, length)?;
        Ok(length)
    }

    /// The image of a layer this replica knows; a name from outside never reaches the file system otherwise.
    fn raw_layer(&self, structure: &Structure, file_name: &str) -> Result<ImageFile, ReplicaError> {
        if structure.records.get(file_name).is_none() {
            return Err(ReplicaError::LayerNotFound { file_name: file_name.to_owned(), place: "in this replica" });
        }
        structure.records.check_image(file_name)?;
        Ok(self.directory.open_image(file_name, Access::ReadOnly)?)
    }
}
