//! Merging a removed layer with the only layer that stands on it.
//!
//! ```text
//!   parent ◄── removed ◄── child        the child's blocks are copied into the removed layer's file,
//!   parent ◄── child                    and that file takes the child's name
//! ```
//! 1. the removed layer's file grows to the child's size, where it is older than an expansion;
//! 2. what the child holds is copied into it, allocated zeros included. Nobody sees that: the child hides those blocks;
//! 3. it is synced;
//! 4. the child's metadata with the removed layer's parent is written under its temporary name: nothing after this needs
//!    space, for from the next step on there is no way back;
//! 5. the file gets a second name, and that is renamed over the child's: from here on **both names are one file**;
//! 6. the child's metadata is renamed into place;
//! 7. the removed layer's names go.
//!
//! A crash before 5 leaves a copy in vain; between 5 and 6, and between 6 and 7, the chain reads as before.
//! [`super::interrupted`] then finishes it: with both names on one file nothing may be punched or copied between them.

use crate::crash_point;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::replica::directory::Directory;
use crate::replica::metadata::LayerMeta;
use crate::replica::names;
use crate::replica::remove::delete_leaf;
use crate::replica::replace::{Prepared, ReplaceError};
use crate::replica::stack::{Structure, bytes_of, first_held};
use crate::replica::{ChangeError, ReplicaError};

use super::plan;

/// Blocks copied in one step: long enough for the disks, short enough that a discard does not wait for it.
const STEP_BLOCKS: u64 = (1 << 20) / BLOCK_SIZE;

/// One merge, between its steps.
pub(super) struct Coalesce {
    removed: String,
    child: String,
    source: ImageFile,
    target: ImageFile,
    /// First block that was not looked at.
    at: u64,
    end: u64,
}

impl Coalesce {
    pub(super) fn begin(directory: &Directory, removed: &str, child: &str) -> Result<Self, ReplicaError> {
        let source = ImageFile::open(&directory.file(child), Access::ReadOnly)?;
        let target = ImageFile::open(&directory.file(removed), Access::ReadWrite)?;
        let (size, has) = (source.size()?, target.size()?);
        if has > size {
            let why = format!("it has {has} bytes, and {child}, which stands on it, only {size}");
            return Err(ReplicaError::corrupt(removed, why));
        }
        if has < size {
            target.grow_to(size)?;
            crash_point::reached("purge.grown");
        }
        let end = size.div_ceil(BLOCK_SIZE);
        Ok(Self { removed: removed.to_owned(), child: child.to_owned(), source, target, at: 0, end })
    }

    /// Whether the tree is still one in which this merge may take place.
    pub(super) fn still_fits(&self, structure: &Structure) -> bool {
        plan::may_coalesce(&structure.records, &structure.meta.head, &self.removed, &self.child)
    }

    pub(super) fn is_copied(&self) -> bool {
        self.at >= self.end
    }

    /// Copies the next piece; returns its bytes. What a discard takes out of the child before or after this, it takes
    /// out of the removed layer too, since it lies in the same run.
    pub(super) fn copy_some(&mut self, structure: &Structure) -> Result<u64, ReplicaError> {
        let copied = {
            let _alone = structure.below.alone()?;
            let parts = first_held(&self.source, self.at..self.end, STEP_BLOCKS)?;
            let longest = parts.iter().map(|part| bytes_of(part).1).max().unwrap_or(0);
            // A step's blocks are at most a MiB.
            let mut buffer = AlignedBuf::zeroed(longest as usize);
            for part in &parts {
                let (offset, length) = bytes_of(part);
                let piece = &mut buffer.padded_mut()[..length as usize];
                self.source.read_blocks(offset, piece)?;
                if let Err(error) = self.target.write_blocks(offset, piece) {
                    self.take_back(part.end)?;
                    return Err(error.into());
                }
            }
            self.at = parts.last().map_or(self.end, |part| part.end);
            parts.iter().map(|part| bytes_of(part).1).sum()
        };
        crash_point::reached("purge.copied");
        Ok(copied)
    }

    /// A full disk must not stay full of copies in vain: what the child hides is worth nothing in the removed layer.
    fn take_back(&self, end: u64) -> Result<(), ReplicaError> {
        let mut at = 0;
        while at < end {
            let parts = first_held(&self.source, at..end, STEP_BLOCKS)?;
            for part in &parts {
                let (offset, length) = bytes_of(part);
                self.target.punch(offset, length)?;
            }
            at = parts.last().map_or(end, |part| part.end);
        }
        Ok(self.target.sync_data()?)
    }

    pub(super) fn sync(&self) -> Result<(), ReplicaError> {
        self.target.sync_data()?;
        crash_point::reached("purge.synced");
        Ok(())
    }

    /// Steps 4 to 7, alone with the structure. Does nothing where the tree has changed since the copy.
    pub(super) fn swap(self, directory: &Directory, structure: &mut Structure) -> Result<(), ChangeError> {
        let Some(parent) = structure.records.get(&self.removed).map(|record| record.parent.clone()) else {
            return Ok(());
        };
        if !self.still_fits(structure) || !self.is_of(directory)? {
            return Ok(());
        }
        let (removed, child) = (&self.removed, &self.child);
        // Opened under a name that is not removed below; it is the same file.
        let merged = ImageFile::open(&directory.file(removed), Access::ReadOnly)?;
        let place = place_below_head(structure, removed)?;
        let reparented = Reparented::prepare(directory, structure, child, &parent)?;
        link_over(directory, removed, child)?;
        reparented.commit(structure).map_err(ChangeError::Broken)?;
        if let Some(index) = place {
            structure.lower.merge_up(index, merged).map_err(ChangeError::Broken)?;
        }
        delete_leaf(directory, structure, removed)?;
        crash_point::reached("purge.merged");
        Ok(())
    }

    /// Whether the names still are those of the files that were copied.
    fn is_of(&self, directory: &Directory) -> Result<bool, ReplicaError> {
        let is = |name: &str, image: &ImageFile| -> Result<bool, ReplicaError> {
            let facts = image.stat()?;
            Ok(directory.identity(name)?.is_some_and(|now| now.is_file(&facts)))
        };
        Ok(is(&self.removed, &self.target)? && is(&self.child, &self.source)?)
    }
}

/// Where the layer stands in the chain below the head, counted from the root; `None` for another branch.
fn place_below_head(structure: &Structure, layer: &str) -> Result<Option<usize>, ReplicaError> {
    let chain = structure.records.chain_from(&structure.meta.head)?;
    Ok(chain[1..].iter().rev().position(|name| name == layer))
}

/// Step 5. Once the rename may have taken place, memory and files differ unless everything goes on well.
fn link_over(directory: &Directory, removed: &str, child: &str) -> Result<(), ChangeError> {
    let tmp = format!("{child}{}", names::TMP_SUFFIX);
    directory.remove(&tmp)?;
    directory.link(removed, &tmp)?;
    crash_point::reached("purge.linked");
    if let Err(error) = directory.rename(&tmp, child) {
        if let ReplaceError::NotReplaced(_) = error {
            // It would outlive the removed layer, and then nobody could tell that it is worth nothing.
            directory.remove(&tmp)?;
        }
        return Err(error.into());
    }
    crash_point::reached("purge.replaced");
    Ok(())
}

/// The child's metadata with its new parent, before and after step 6.
struct Reparented<'directory> {
    child: String,
    meta: LayerMeta,
    prepared: Prepared<'directory>,
}

impl<'directory> Reparented<'directory> {
    fn prepare(
        directory: &'directory Directory,
        structure: &Structure,
        child: &str,
        parent: &str,
    ) -> Result<Self, ReplicaError> {
        let file = names::meta_of(child);
        let Some(record) = structure.records.get(child) else {
            return Err(ReplicaError::corrupt(file, "the layer has gone while another was merged with it"));
        };
        // Longhorn writes a rewritten record under the layer's present name.
        let meta = LayerMeta { name: child.to_owned(), parent: parent.to_owned(), ..record.clone() };
        let prepared = directory.prepare(&file, &meta.encode(&file)?, 0o644)?;
        crash_point::reached("purge.parent-prepared");
        Ok(Self { child: child.to_owned(), meta, prepared })
    }

    fn commit(self, structure: &mut Structure) -> Result<(), ReplicaError> {
        self.prepared.commit()?;
        structure.records.0.insert(self.child, self.meta);
        crash_point::reached("purge.parent-written");
        Ok(())
    }
}
