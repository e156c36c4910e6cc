//! A snapshot that is made ready while I/O goes on, so that little is left to do while all requests wait.
//!
//! Invariants:
//! - **What is prepared is no snapshot.** It has no metadata yet, for us and for Longhorn, and a crash leaves what our next
//!   open removes: an empty head with metadata that `volume.meta` does not name, a second name of the head, and temporary
//!   files. Longhorn takes no snapshot beside such a head, so what is not used is taken back at once: by the engine that
//!   gives the snapshot up, and by the next one.
//! - **It fits the structure that it was made for.** Any other change of the structure takes it back first.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::directory::Directory;
use super::metadata::{LayerMeta, VolumeMeta};
use super::names;
use super::replace::Kept;
use super::snapshot::{FreshHead, Taken, undo};
use super::stack::Structure;
use super::{ChangeError, Replica, ReplicaError};
use crate::crash_point;
use crate::disk::image::{Access, ImageFile};

#[derive(Debug)]
pub(super) struct PreparedSnapshot {
    /// File name that the old head's image has as a second one.
    image: String,
    /// The state that it was made for, and the one after it.
    before: VolumeMeta,
    after: VolumeMeta,
    record: LayerMeta,
    fresh: FreshHead,
    /// Contents under their temporary names.
    snapshot_meta: Kept,
    volume_meta: Kept,
}

impl Replica {
    /// Does what can be done for a snapshot while I/O goes on; [`Replica::snapshot`] with the same arguments does the rest.
    /// What was prepared before is taken back, and so is this by any other change of layers and by a close.
    ///
    /// # Errors
    /// As [`Replica::snapshot`]. Nothing has changed.
    pub fn prepare_snapshot(
        &self,
        name: &str,
        user_created: bool,
        created: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), ReplicaError> {
        let image = names::snapshot_image(name)?;
        self.shared(|structure| {
            let mut slot = self.prepared();
            if let Some(other) = slot.take() {
                other.undo(&self.directory);
            }
            self.check_room_for(structure, name, &image)?;
            self.sync_head(structure)?;
            let taken = Taken { image: &image, user_created, created, labels, refusal: "nothing was prepared" };
            *slot = Some(taken.prepare(&self.directory, structure, &structure.meta)?);
            crash_point::reached("snapshot.prepared");
            structure.regions.expect_change(&self.directory);
            // What was written meanwhile.
            self.sync_head(structure)
        })
    }

    pub(super) fn has_prepared(&self, image: &str) -> bool {
        self.prepared().as_ref().is_some_and(|prepared| prepared.image == image)
    }

    /// Takes back what was prepared, if anything was.
    pub(crate) fn undo_prepared(&self) {
        if let Some(prepared) = self.prepared().take() {
            prepared.undo(&self.directory);
        }
    }

    /// As [`Replica::exclusive`], with what was prepared for `taken`. Anything else that was prepared has been taken back
    /// before `change` begins: its files may have the names of those that `change` makes.
    pub(super) fn exclusive_after_preparing<T>(
        &self,
        taken: &Taken<'_>,
        change: impl FnOnce(&mut Structure, Option<PreparedSnapshot>) -> Result<T, ChangeError>,
    ) -> Result<T, ReplicaError> {
        self.alone(|structure| {
            let prepared = self.prepared().take_if(|prepared| prepared.is_for(taken, structure));
            self.undo_prepared();
            change(structure, prepared)
        })
    }

    fn prepared(&self) -> MutexGuard<'_, Option<PreparedSnapshot>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PreparedSnapshot {
    /// Steps 5 and 6 of a snapshot (`snapshot`), durably. A failure takes them and `fresh` back.
    pub(super) fn make(
        directory: &Directory,
        taken: &Taken<'_>,
        volume: &VolumeMeta,
        record: LayerMeta,
        fresh: FreshHead,
    ) -> Result<Self, ReplicaError> {
        let made = Self::write(directory, taken, volume, &record, &fresh);
        match made {
            Ok((snapshot_meta, volume_meta)) => {
                let (before, after) = (volume.clone(), fresh.in_force(volume));
                let image = taken.image.to_owned();
                Ok(Self { image, before, after, record, fresh, snapshot_meta, volume_meta })
            }
            Err(error) => {
                undo(directory, &[taken.image, &fresh.name]);
                Err(error)
            }
        }
    }

    fn write(
        directory: &Directory,
        taken: &Taken<'_>,
        volume: &VolumeMeta,
        record: &LayerMeta,
        fresh: &FreshHead,
    ) -> Result<(Kept, Kept), ReplicaError> {
        directory.link(&volume.head, taken.image)?;
        let file = names::meta_of(taken.image);
        let snapshot_meta = directory.prepare(&file, &record.encode(&file)?, 0o644)?;
        let volume_meta = directory.prepare(names::VOLUME_META, &fresh.in_force(volume).encode()?, 0o644)?;
        directory.sync()?;
        crash_point::reached("snapshot.image-linked");
        Ok((snapshot_meta.keep(), volume_meta.keep()))
    }

    /// Whether `taken` asks for this snapshot, and nothing that it depends on has changed.
    pub(super) fn is_for(&self, taken: &Taken<'_>, structure: &Structure) -> bool {
        self.image == taken.image && self.before == structure.meta && self.record == taken.record(structure)
    }

    /// Takes everything back. What cannot be removed is recognised by the next open.
    pub(super) fn undo(self, directory: &Directory) {
        let Self { image, fresh, snapshot_meta, volume_meta, .. } = self;
        drop((directory.resume(snapshot_meta), directory.resume(volume_meta)));
        undo(directory, &[&image, &fresh.name]);
    }

    /// Steps 8 and 9: the snapshot exists, and `volume` says so. Gives the new head, the old head's file under its new
    /// name, and the snapshot's metadata. Up to the last step, a failure takes everything back.
    pub(super) fn commit(
        self,
        directory: &Directory,
        volume: &mut VolumeMeta,
    ) -> Result<(FreshHead, ImageFile, LayerMeta), ChangeError> {
        let Self { image, after, record, fresh, snapshot_meta, volume_meta, .. } = self;
        match Self::put_into_place(directory, &image, snapshot_meta, volume_meta) {
            Ok(frozen) => {
                *volume = after;
                Ok((fresh, frozen, record))
            }
            Err(error) => {
                if let ChangeError::Kept(_) = error {
                    undo(directory, &[&image, &fresh.name]);
                }
                Err(error)
            }
        }
    }

    fn put_into_place(
        directory: &Directory,
        image: &str,
        snapshot_meta: Kept,
        volume_meta: Kept,
    ) -> Result<ImageFile, ChangeError> {
        // From here on they go with a failure.
        let (snapshot_meta, volume_meta) = (directory.resume(snapshot_meta), directory.resume(volume_meta));
        snapshot_meta.commit().map_err(ReplicaError::from)?;
        crash_point::reached("snapshot.described");
        let frozen = directory.open_image(image, Access::ReadOnly)?;
        volume_meta.commit()?;
        crash_point::reached("fresh-head.committed");
        Ok(frozen)
    }
}
