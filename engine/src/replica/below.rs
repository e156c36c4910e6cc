//! Changing data of removed layers below the head while the volume is in use.
//!
//! Invariant: after every change of a layer's storage the map of the layers says again what their files say, before
//! anybody else changes them. So whoever punches or copies there does it [`alone`](Below::alone), a discard as well
//! as a step of a purge: a step that copied what a discard is just punching would bring it back.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::directory::Directory;
use super::error::ReplicaError;
use super::extent_map::Blocks;
use super::stack::{Structure, bytes_of, held};
use super::tree::Tree;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{BLOCK_SIZE, DiskError};

#[derive(Debug, Default)]
pub(super) struct Below {
    order: Mutex<()>,
    /// By inode: what was punched since the last sync. A hole that a power cut takes back would show data again that
    /// was discarded, and on this member only.
    punched: Mutex<BTreeMap<u64, ImageFile>>,
}

impl Below {
    pub(super) fn alone(&self) -> Result<MutexGuard<'_, ()>, ReplicaError> {
        self.order.lock().map_err(|_| ReplicaError::poisoned())
    }

    /// Makes every hole durable that was punched before. Another flush waits for this one meanwhile, and does not
    /// find an empty list and answer too early.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        let mut punched = self.punched.lock().unwrap_or_else(PoisonError::into_inner);
        punched.values().try_for_each(ImageFile::sync_data)?;
        punched.clear();
        Ok(())
    }

    /// Whether there is nothing to make durable, and nobody is just doing it.
    pub(super) fn is_durable(&self) -> bool {
        self.punched.try_lock().is_ok_and(|punched| punched.is_empty())
    }

    fn remember(&self, image: ImageFile) -> Result<(), ReplicaError> {
        let inode = image.stat()?.ino();
        self.punched.lock().map_err(|_| ReplicaError::poisoned())?.insert(inode, image);
        Ok(())
    }
}

impl Structure {
    /// Punches `parts` out of the layer `file_name`. The caller is [`alone`](Below::alone), and has the map of the
    /// layers read anew afterwards, also after a failure.
    pub(super) fn punch_layer(
        &self,
        directory: &Directory,
        file_name: &str,
        parts: &[Blocks],
    ) -> Result<(), ReplicaError> {
        let image = directory.open_image(file_name, Access::ReadWrite)?;
        let outcome = parts.iter().try_for_each(|part| {
            let (offset, length) = bytes_of(part);
            image.punch(offset, length)
        });
        // After the punches and before the caller tells of them: a flush from now on covers them.
        self.below.remember(image)?;
        Ok(outcome?)
    }

    /// Removed layers that a discard punches, topmost first. While rebuilding they are only being filled.
    fn discardable(&self) -> Vec<&str> {
        // Most often a live snapshot comes first, and nothing more has to be known.
        let parent = self.records.get(&self.meta.head).and_then(|head| self.records.get(&head.parent));
        let is_removed = parent.is_some_and(|parent| parent.removed);
        if !is_removed || self.meta.rebuilding {
            return Vec::new();
        }
        Tree::of_records(&self.records, &self.meta.head).discardable()
    }

    /// Takes `blocks` out of the head and of the removed layers that only the head's readers see, lowest first: until
    /// it is done, a reader sees what it saw before. Returns the bytes freed.
    pub(super) fn discard(&self, directory: &Directory, blocks: Blocks) -> Result<u64, ReplicaError> {
        let mut freed = 0;
        let run = self.discardable();
        if !run.is_empty() {
            let _alone = self.below.alone()?;
            let outcome = run.iter().rev().try_for_each(|layer| {
                let image = ImageFile::open(&directory.file(layer), Access::ReadOnly)?;
                let parts = held(&image, blocks.clone())?;
                if parts.is_empty() {
                    return Ok(());
                }
                freed += parts.iter().map(|part| part.end - part.start).sum::<u64>();
                self.punch_layer(directory, layer, &parts)
            });
            if freed > 0 {
                self.lower.recheck(blocks.clone())?;
            }
            outcome?;
        }
        let held = self.head.count(blocks.clone())?;
        if held > 0 {
            self.head.punch(blocks)?;
        }
        Ok((freed + held) * BLOCK_SIZE)
    }
}
