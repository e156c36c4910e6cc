//! Merging a removed layer with the only layer that stands on it.
//!
//! ```text
//!   parent ◄── removed ◄── child        the child's blocks are copied into the removed layer's file,
//!   parent ◄── child                    and that file takes the child's name
//! ```
//! 0. what it takes on the disk is measured, unless there is room for all of the child ([`super::reserve`]);
//! 1. the removed layer's file grows to the child's size, where it is older than an expansion;
//! 2. what the child holds is copied into it, allocated zeros included. Nobody sees that: the child hides those blocks;
//! 3. it is synced;
//! 4. the child's metadata with the removed layer's parent is written under its temporary name: nothing after this needs
//!    space, for from the next step on there is no way back;
//! 5. the file gets a second name, and that is renamed over the child's: from here on **both names are one file**;
//! 6. the child's metadata is renamed into place;
//! 7. the removed layer's names go.
//!
//! A copy that does not come to its end is taken out again ([`super::give_back`]).
//!
//! A crash before 5 leaves a copy in vain; between 5 and 6, and between 6 and 7, the chain reads as before.
//! [`super::interrupted`] then finishes it: with both names on one file nothing may be punched or copied between them.

use std::os::unix::fs::MetadataExt;

use crate::crash_point;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};
use crate::replica::directory::{Directory, STAT_BLOCK};
use crate::replica::extent_map::Blocks;
use crate::replica::metadata::LayerMeta;
use crate::replica::names;
use crate::replica::remove::delete_leaf;
use crate::replica::replace::{Prepared, ReplaceError};
use crate::replica::stack::{Structure, bytes_of, first_held, held};
use crate::replica::{ChangeError, ReplicaError};

use super::give_back::GiveBack;
use super::plan;
use super::reserve::Space;

/// Blocks copied in one step: long enough for the disks, short enough that a discard does not wait for it.
const STEP_BLOCKS: u64 = (1 << 20) / BLOCK_SIZE;

/// Blocks measured in one step.
const MEASURED_BLOCKS: u64 = (64 << 20) / BLOCK_SIZE;

/// One merge, between its steps.
pub(super) struct Coalesce {
    removed: String,
    child: String,
    source: ImageFile,
    target: ImageFile,
    /// First block that was not looked at.
    at: u64,
    end: u64,
    /// First block that no write got to.
    touched: u64,
    /// First block that was not measured.
    measured: u64,
    needed_bytes: u64,
    /// A block that the disk has changed was carried along: it must not lose what is known of it.
    carried: Option<DiskError>,
}

impl Coalesce {
    pub(super) fn begin(directory: &Directory, removed: &str, child: &str) -> Result<Self, ReplicaError> {
        let source = directory.open_image(child, Access::ReadOnly)?;
        let target = directory.open_image(removed, Access::ReadWrite)?;
        let (size, has) = (source.size()?, target.size()?);
        if has > size {
            let why = format!("it has {has} bytes, and {child}, which stands on it, only {size}");
            return Err(ReplicaError::corrupt(removed, why));
        }
        if has < size {
            target.grow_to(size)?;
            crash_point::reached("purge.grown");
        }
        directory.begin_change(&target)?;
        let end = size.div_ceil(BLOCK_SIZE);
        let (removed, child) = (removed.to_owned(), child.to_owned());
        Ok(Self { removed, child, source, target, at: 0, end, touched: 0, measured: 0, needed_bytes: 0, carried: None })
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
    pub(super) fn copy_some(&mut self, directory: &Directory, structure: &Structure) -> Result<u64, ReplicaError> {
        let copied = {
            let _alone = structure.below.alone()?;
            let parts = first_held(&self.source, self.at..self.end, STEP_BLOCKS)?;
            self.check_room(directory, self.new_bytes(&parts)?)?;
            let longest = parts.iter().map(|part| bytes_of(part).1).max().unwrap_or(0);
            // A step's blocks are at most a MiB.
            let mut buffer = AlignedBuf::zeroed(longest as usize);
            for part in &parts {
                let (offset, length) = bytes_of(part);
                let piece = &mut buffer.padded_mut()[..length as usize];
                self.touched = part.end;
                self.copy(offset, piece)?;
            }
            self.at = parts.last().map_or(self.end, |part| part.end);
            parts.iter().map(|part| bytes_of(part).1).sum()
        };
        crash_point::reached("purge.copied");
        Ok(copied)
    }

    /// What the disk has changed is carried along with what is known of it: it can be repaired in its new place, and a lost
    /// block does not keep all that is removed on the disk.
    fn copy(&mut self, offset: u64, piece: &mut [u8]) -> Result<(), DiskError> {
        match self.source.read_blocks(offset, piece) {
            Err(error) if error.bad_block().is_some() => {}
            read => return read.and_then(|()| self.target.write_blocks(offset, piece)),
        }
        for (at, block) in (offset..).step_by(BLOCK_SIZE as usize).zip(piece.chunks_mut(BLOCK_SIZE as usize)) {
            let error = match self.source.read_blocks(at, block) {
                Ok(()) => {
                    self.target.write_blocks(at, block)?;
                    continue;
                }
                Err(error) => error,
            };
            let Some(bad) = error.bad_block() else { return Err(error) };
            self.source.read_unchecked(at, block)?;
            if !self.target.write_as(at, block, bad.known)? {
                return Err(error);
            }
            self.carried = Some(error);
        }
        Ok(())
    }

    /// Looks through the next piece for what the merge takes on the disk before it gives anything back. False when
    /// that is known. Only looks, so that it needs no lock: what changes meanwhile is found out by the copy.
    pub(super) fn measure_some(&mut self) -> Result<bool, ReplicaError> {
        let parts = first_held(&self.source, self.measured..self.end, MEASURED_BLOCKS)?;
        self.needed_bytes += self.new_bytes(&parts)?;
        self.measured = parts.last().map_or(self.end, |part| part.end);
        Ok(self.measured < self.end)
    }

    /// Whether the disk has so much room that nothing has to be measured.
    pub(super) fn fits_surely(&self, directory: &Directory) -> Result<bool, ReplicaError> {
        let child_bytes = self.source.stat()?.blocks() * STAT_BLOCK;
        Ok(Space::under(directory.path())?.has_room_for(child_bytes))
    }

    /// Fails where what was measured does not fit.
    pub(super) fn check_fits(&self, directory: &Directory) -> Result<(), ReplicaError> {
        self.check_room(directory, self.needed_bytes)
    }

    fn check_room(&self, directory: &Directory, needed_bytes: u64) -> Result<(), ReplicaError> {
        let space = Space::under(directory.path())?;
        if space.has_room_for(needed_bytes) {
            return Ok(());
        }
        Err(ReplicaError::NoRoomToPurge {
            layer: self.removed.clone(),
            dir: directory.path().to_path_buf(),
            needed_bytes,
            free_bytes: space.free_bytes,
            reserve_bytes: space.reserve_bytes,
        })
    }

    /// Bytes of `parts` that the removed layer has no storage for yet.
    fn new_bytes(&self, parts: &[Blocks]) -> Result<u64, ReplicaError> {
        let mut blocks = 0;
        for part in parts {
            let has: u64 = held(&self.target, part.clone())?.iter().map(|part| part.end - part.start).sum();
            blocks += (part.end - part.start).saturating_sub(has);
        }
        Ok(blocks * BLOCK_SIZE)
    }

    pub(super) fn removed(&self) -> &str {
        &self.removed
    }

    /// What is left to do after a copy that failed with `why`.
    pub(super) fn give_back(self, why: ReplicaError) -> GiveBack {
        let Self { removed, child, source, target, touched, .. } = self;
        GiveBack { removed, child, source, target, at: 0, end: touched, why }
    }

    /// The error in the answer is that of a copy that must not take its place.
    pub(super) fn sync(&mut self, directory: &Directory) -> Result<Result<(), DiskError>, ReplicaError> {
        self.target.sync_data()?;
        directory.end_of_change(&self.target)?;
        crash_point::reached("purge.synced");
        let is_known = self.target.sums().is_some_and(|sums| !sums.is_lost());
        Ok(match self.carried.take() {
            Some(error) if !is_known => Err(error),
            _ => Ok(()),
        })
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
        let merged = directory.open_image(removed, Access::ReadOnly)?;
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
