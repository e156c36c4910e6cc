//! Taking a snapshot: the head becomes a read-only layer, and an empty head goes on top.
//!
//! The files are those of Longhorn's steps (formats.md §5), with syncs between, so that a crash at any point leaves the
//! old or the new structure and strays that `leftovers` recognises. Steps 1 to 6 may be done while I/O goes on
//! ([`Replica::prepare_snapshot`]); all requests wait for the others:
//!
//! 1. most data of the old head is synced;
//! 2. stale files of the snapshot's name go; an image with data of its own, which is no layer, is moved aside;
//! 3. new head image;
//! 4. its metadata;
//! 5. the old head's image gets the snapshot's name as a second one;
//! 6. the contents of two small files are written under temporary names: the snapshot's metadata, and `volume.meta`;
//! 7. what is left of the old head's data is synced;
//! 8. the snapshot's metadata comes into place. Longhorn links the old head's and rewrites it after step 9: the file is
//!    the same in the end, but a crash would leave a snapshot without its time and labels;
//! 9. **`volume.meta` names the new head**: from here on the snapshot exists;
//! 10. the old head's names go.

use std::collections::BTreeMap;

use super::abandon;
use super::chain::LONGEST_CHAIN;
use super::directory::Directory;
use super::error::ReplicaError;
use super::metadata::{LayerMeta, VolumeMeta, labels_or_null};
use super::names;
use super::prepared_snapshot::PreparedSnapshot;
use super::stack::{Head, Structure};
use super::{ChangeError, Replica};
use crate::crash_point;
use crate::disk::image::ImageFile;

impl Replica {
    /// Takes a snapshot, durable when this returns. `created` is RFC 3339 in UTC with a `Z`; the new head carries the
    /// same time. It takes least time after a [`Replica::prepare_snapshot`] with the same arguments.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotExists`], [`ReplicaError::InvalidName`], [`ReplicaError::ChainTooLong`]: nothing
    /// changed, as after [`ReplicaError::Undone`] where the disk is full, for example. Other errors: the snapshot may or
    /// may not exist; [`Replica::layers`] tells.
    pub fn snapshot(
        &self,
        name: &str,
        user_created: bool,
        created: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), ReplicaError> {
        let image = names::snapshot_image(name)?;
        if !self.has_prepared(&image) {
            // Most of the data goes to the disk while I/O still flows; what is left for the pause is little.
            self.shared(|structure| self.sync_head(structure))?;
        }
        let refusal = "the snapshot was not taken";
        let taken = Taken { image: &image, user_created, created, labels, refusal };
        self.exclusive_after_preparing(&taken, |structure, prepared| {
            let prepared = match prepared {
                Some(prepared) => prepared,
                None => {
                    self.check_room_for(structure, name, &image)?;
                    let made = taken.prepare(&self.directory, structure, &structure.meta);
                    made.map_err(|error| error.undone(refusal))?
                }
            };
            if let Err(error) = self.sync_head(structure) {
                prepared.undo(&self.directory);
                return Err(error.into());
            }
            taken.take(&self.directory, structure, prepared)
        })
    }

    /// Whether a snapshot of this name can be taken: the name is free, and the chain can be opened afterwards.
    pub(super) fn check_room_for(&self, structure: &Structure, name: &str, image: &str) -> Result<(), ReplicaError> {
        if structure.rebuild.is_catching_up() {
            return Err(ReplicaError::CatchingUp { what: "take a snapshot" });
        }
        if structure.records.get(image).is_some() {
            return Err(ReplicaError::SnapshotExists { name: name.to_owned() });
        }
        let chain = structure.records.chain_from(&structure.meta.head)?;
        if chain.len() >= LONGEST_CHAIN {
            return Err(ReplicaError::ChainTooLong { count: chain.len() + 1, limit: LONGEST_CHAIN });
        }
        Ok(())
    }
}

/// What the old head becomes.
pub(super) struct Taken<'call> {
    pub(super) image: &'call str,
    pub(super) user_created: bool,
    pub(super) created: &'call str,
    pub(super) labels: &'call BTreeMap<String, String>,
    /// What a failure before the commit means.
    pub(super) refusal: &'static str,
}

impl Taken<'_> {
    /// Steps 2 to 6. `volume` says what the new head is made for: the present state, or the same with a larger size. A
    /// failure takes all of them back.
    pub(super) fn prepare(
        &self,
        directory: &Directory,
        structure: &Structure,
        volume: &VolumeMeta,
    ) -> Result<PreparedSnapshot, ReplicaError> {
        // On its own, for what lies there must not be taken back with what is made below.
        directory.make_way(self.image, &structure.meta.head)?;
        let fresh = FreshHead::make(directory, volume, self.image, self.created)?;
        PreparedSnapshot::make(directory, self, volume, self.record(structure), fresh)
    }

    /// The old head's metadata as that of the snapshot. The rest, a stale `Name` included, is what Longhorn's hard link
    /// would keep.
    pub(super) fn record(&self, structure: &Structure) -> LayerMeta {
        let old_head = &structure.meta.head;
        let head = structure.records.get(old_head).cloned().unwrap_or_else(|| LayerMeta::head(old_head, "", ""));
        LayerMeta {
            user_created: self.user_created,
            created: self.created.to_owned(),
            labels: labels_or_null(self.labels),
            ..head
        }
    }

    /// Steps 8 to 10; the caller has synced the old head. Up to the commit, a failure takes back what was prepared.
    pub(super) fn take(
        &self,
        directory: &Directory,
        structure: &mut Structure,
        prepared: PreparedSnapshot,
    ) -> Result<(), ChangeError> {
        let old_head = structure.meta.head.clone();
        let committed = prepared.commit(directory, &mut structure.meta).map_err(|error| error.undone(self.refusal));
        let (fresh, frozen, record) = committed?;
        structure.rebuild.freeze(self.image);
        structure.lower.push_head(frozen, &structure.head).map_err(ChangeError::Broken)?;
        structure.head = fresh.install(&mut structure.records);
        structure.records.0.remove(&old_head);
        structure.records.0.insert(self.image.to_owned(), record);
        // No sync: requests wait, and names that a power cut brings back go at the next open.
        directory.remove_layer(&old_head)?;
        crash_point::reached("snapshot.old-head-removed");
        Ok(())
    }
}

/// A new, empty head that `volume.meta` does not name yet.
#[derive(Debug)]
pub(super) struct FreshHead {
    pub(super) name: String,
    /// The volume's size from the commit on.
    size: u64,
    meta: LayerMeta,
    image: ImageFile,
}

impl FreshHead {
    /// Makes image and metadata of the head that follows the present one, on top of `parent`, as large as `volume`
    /// says.
    pub(super) fn make(
        directory: &Directory,
        volume: &VolumeMeta,
        parent: &str,
        created: &str,
    ) -> Result<Self, ReplicaError> {
        let name = free_head(directory, &volume.head)?;
        let meta = LayerMeta::head(&name, parent, created);
        let file = names::meta_of(&name);
        let made = directory.create_image(&name, volume.size).map_err(ReplicaError::from).and_then(|image| {
            crash_point::reached("fresh-head.image-made");
            image.take_for_writing()?;
            directory.replace(&file, &meta.encode(&file)?, 0o644)?;
            crash_point::reached("fresh-head.described");
            Ok(image)
        });
        match made {
            Ok(image) => Ok(Self { name, size: volume.size, meta, image }),
            Err(error) => {
                undo(directory, &[&name]);
                Err(error)
            }
        }
    }

    /// Makes and commits a head that takes the place of the present one, which is given up with what was written to it:
    /// it stays marked.
    pub(super) fn instead(
        directory: &Directory,
        volume: &mut VolumeMeta,
        parent: &str,
        created: &str,
    ) -> Result<Self, ChangeError> {
        let old_head = [volume.head.clone()];
        abandon::mark(directory, &old_head)?;
        let made = Self::make(directory, volume, parent, created).map_err(ChangeError::from);
        let committed = made.and_then(|fresh| fresh.commit_or_undo(directory, volume));
        if let Err(ChangeError::Kept(_)) = committed {
            abandon::keep(directory, &old_head);
        }
        committed
    }

    /// Like [`FreshHead::commit`]; where it did not take place, the head's files go.
    pub(super) fn commit_or_undo(self, directory: &Directory, volume: &mut VolumeMeta) -> Result<Self, ChangeError> {
        match self.commit(directory, volume) {
            Ok(()) => Ok(self),
            Err(error) => {
                if let ChangeError::Kept(_) = error {
                    undo(directory, &[&self.name]);
                }
                Err(error)
            }
        }
    }

    /// Makes `volume.meta` name this head. After [`ChangeError::Kept`] it does not, and the head is to be undone.
    pub(super) fn commit(&self, directory: &Directory, volume: &mut VolumeMeta) -> Result<(), ChangeError> {
        let changed = self.in_force(volume);
        directory.replace(names::VOLUME_META, &changed.encode()?, 0o644)?;
        crash_point::reached("fresh-head.committed");
        *volume = changed;
        Ok(())
    }

    /// `volume` with this head in the place of its own.
    pub(super) fn in_force(&self, volume: &VolumeMeta) -> VolumeMeta {
        let (head, parent) = (self.name.clone(), self.meta.parent.clone());
        VolumeMeta { size: self.size, head, parent, ..volume.clone() }
    }

    /// The head to write to from now on.
    pub(super) fn install(self, records: &mut super::chain::Records) -> Head {
        records.0.insert(self.name, self.meta);
        Head::empty(self.image)
    }
}

/// The number that follows, past images that an open found to hold data of their own and left alone.
fn free_head(directory: &Directory, head: &str) -> Result<String, ReplicaError> {
    let first = names::head_after(head)?;
    let mut name = first.clone();
    while directory.identity(&name)?.is_some() {
        name = names::head_after(&name)?;
        if name == first || name == head {
            return Err(ReplicaError::corrupt(
                name,
                "every number for a new head image is taken; remove unused head images",
            ));
        }
    }
    Ok(name)
}

/// Removes layers that nothing refers to yet. What cannot be removed is recognised by the next open.
pub(super) fn undo(directory: &Directory, images: &[&str]) {
    for image in images {
        if let Err(error) = directory.remove_layer(image) {
            tracing::warn!(image, %error, "cannot undo a failed change; the next open of the replica removes this image");
        }
    }
}
