//! Filling an empty volume with data from elsewhere: a clone, or the restore of a backup.
//!
//! All of the data lands in one image that becomes the root snapshot, and an empty head goes on top, as Longhorn does
//! it (formats.md §5):
//!
//! 1. `volume-snap-<name>.img.snap_tmp`, sparse, takes the data; holes stay holes and zeros written stay zeros;
//! 2. its data is synced;
//! 3. the snapshot's metadata, exactly `{"Parent":""}`;
//! 4. **the image gets the snapshot's name**: from here on its content is complete and durable;
//! 5. a new, empty head on it;
//! 6. **`volume.meta` names the new head**: from here on the volume has the content;
//! 7. the old head goes.
//!
//! Invariants: until step 6 the volume is what it was, empty; a crash before that leaves strays that the next open
//! removes (`leftovers`). A half-filled image never has a name or metadata that could make a snapshot of it. Nothing is
//! filled over data: the volume has no other layer than a head that holds nothing, at the beginning and at the end.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::directory::Directory;
use super::metadata::LayerMeta;
use super::names;
use super::snapshot::{FreshHead, undo};
use super::stack::{Layers, Structure};
use super::{ChangeError, Replica, ReplicaError};
use crate::crash_point;
use crate::disk::image::ImageFile;
use crate::disk::{AlignedBuf, BLOCK_SIZE};

/// What Longhorn writes as the metadata of a filled snapshot.
const ROOT_META: &[u8] = b"{\"Parent\":\"\"}\n";

const NOT_FILLED: &str = "the volume was not filled, it has to begin again";

/// A fill in progress.
#[derive(Debug)]
pub(super) struct Filling {
    /// Told by whoever fills; what an earlier attempt still has on the way carries another.
    id: String,
    /// The snapshot's image once it is complete.
    image: String,
    file: ImageFile,
}

impl Replica {
    /// Makes an empty image of `size` bytes for the snapshot `name`, to be filled under the name `id`. A fill that was
    /// begun before is given up.
    ///
    /// # Errors
    /// [`ReplicaError::VolumeNotEmpty`], [`ReplicaError::InvalidSize`] where `size` is not the volume's,
    /// [`ReplicaError::InvalidName`], [`ReplicaError::Rebuilding`]: the volume is as it was.
    pub fn fill_begin(&self, id: &str, name: &str, size: u64) -> Result<(), ReplicaError> {
        let image = names::snapshot_image(name)?;
        self.give_up_fill()?;
        self.exclusive(|structure| {
            check_empty(structure)?;
            if size != structure.meta.size {
                return Err(ReplicaError::InvalidSize { size, why: "it is not the size of this volume" }.into());
            }
            let unfinished = names::unfinished(&image);
            self.directory.remove(&unfinished)?;
            let file = self.directory.create_image(&unfinished, size)?;
            self.directory.sync()?;
            crash_point::reached("fill.image-made");
            *self.lock_fill() = Some(Arc::new(Filling { id: id.to_owned(), image, file }));
            Ok(())
        })
    }

    /// Puts whole blocks into the image that `id` fills. May be called by several threads, in any order.
    ///
    /// # Errors
    /// [`ReplicaError::NotFilling`], [`ReplicaError::Unaligned`], [`ReplicaError::OutOfRange`],
    /// [`ReplicaError::NoSpace`], or the disk's.
    pub fn fill_write(&self, id: &str, offset: u64, data: &AlignedBuf) -> Result<(), ReplicaError> {
        let length = data.len() as u64;
        if !offset.is_multiple_of(BLOCK_SIZE) || !length.is_multiple_of(BLOCK_SIZE) {
            return Err(ReplicaError::Unaligned { what: "a write into a new snapshot", offset, length });
        }
        self.check_range("a write into a new snapshot", offset, length)?;
        self.shared(|_| Ok(self.filling(id)?.file.write_blocks(offset, data)?))
    }

    /// Makes what was filled in so far durable, so that little is left for the end.
    ///
    /// # Errors
    /// [`ReplicaError::NotFilling`], or the disk did not confirm: the fill has failed then, for the kernel tells it once.
    pub fn fill_sync(&self, id: &str) -> Result<(), ReplicaError> {
        self.shared(|_| {
            let synced = self.filling(id)?.file.sync_data();
            if let Err(error) = &synced {
                tracing::warn!(%error, "a fill is given up");
                self.drop_fill()?;
            }
            Ok(synced?)
        })
    }

    /// Makes the filled image the root snapshot and the volume's content, durably. `created` is the new head's time,
    /// RFC 3339 in UTC.
    ///
    /// # Errors
    /// [`ReplicaError::NotFilling`], [`ReplicaError::VolumeNotEmpty`] where the volume was written to meanwhile, or the
    /// disk's: the volume is as it was, and the fill has to begin again.
    pub fn fill_finish(&self, id: &str, created: &str) -> Result<(), ReplicaError> {
        self.fill_sync(id)?;
        self.exclusive(|structure| {
            let filling = self.filling(id)?;
            check_empty(structure)?;
            if filling.file.size()? != structure.meta.size {
                let size = structure.meta.size;
                return Err(ReplicaError::InvalidSize { size, why: "the volume was expanded meanwhile" }.into());
            }
            filling.file.sync_data()?;
            // Nothing in the log tells of it.
            self.directory.sync_sums()?;
            crash_point::reached("fill.synced");
            self.directory.make_way(&filling.image, &structure.meta.head)?;
            if let Err(error) = name_image(&self.directory, &filling.image) {
                undo(&self.directory, &[&filling.image]);
                self.drop_fill()?;
                return Err(error.undone(NOT_FILLED).into());
            }
            *self.lock_fill() = None;
            stand_on(&self.directory, structure, &filling.image, created)
        })
    }

    /// Gives up what `id` fills, if that is what is being filled.
    ///
    /// # Errors
    /// As [`Replica::give_up_fill`].
    pub fn fill_abort(&self, id: &str) -> Result<(), ReplicaError> {
        self.shared(|_| if self.filling(id).is_ok() { self.drop_fill() } else { Ok(()) })
    }

    /// Gives up whatever is being filled, and removes what was filled in.
    ///
    /// # Errors
    /// [`ReplicaError::Closed`], [`ReplicaError::Failed`]: the directory is no longer this value's to change, and the
    /// next open removes the image. Otherwise the image cannot be removed; the next open does that too.
    pub fn give_up_fill(&self) -> Result<(), ReplicaError> {
        self.shared(|_| self.drop_fill())
    }

    /// The caller holds the lock of an open replica.
    pub(super) fn drop_fill(&self) -> Result<(), ReplicaError> {
        let Some(filling) = self.lock_fill().take() else { return Ok(()) };
        self.directory.remove(&names::unfinished(&filling.image))?;
        self.directory.sync()
    }

    fn lock_fill(&self) -> MutexGuard<'_, Option<Arc<Filling>>> {
        self.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filling(&self, id: &str) -> Result<Arc<Filling>, ReplicaError> {
        let found = self.lock_fill().as_ref().filter(|filling| filling.id == id).cloned();
        found.ok_or(ReplicaError::NotFilling)
    }
}

/// The new snapshot would hide whatever else there is.
fn check_empty(structure: &Structure) -> Result<(), ReplicaError> {
    structure.complete_for("fill a volume")?;
    let others = structure.records.0.keys().filter(|layer| **layer != structure.meta.head).count();
    if others > 0 {
        return Err(ReplicaError::VolumeNotEmpty { what: format!("it has {others} snapshots or removed layers") });
    }
    let blocks = structure.head.count(0..structure.meta.size / BLOCK_SIZE)?;
    if blocks > 0 {
        return Err(ReplicaError::VolumeNotEmpty { what: format!("it holds {} bytes of data", blocks * BLOCK_SIZE) });
    }
    Ok(())
}

/// Steps 3 and 4, to a name that is free. The metadata goes first: the image must not be without it under its final name, where nobody could
/// tell what it is.
fn name_image(directory: &Directory, image: &str) -> Result<(), ReplicaError> {
    directory.replace(&names::meta_of(image), ROOT_META, 0o644)?;
    crash_point::reached("fill.meta-written");
    directory.rename(&names::unfinished(image), image)?;
    crash_point::reached("fill.named");
    Ok(())
}

/// Steps 5 to 7. Until `volume.meta` is replaced, a failure takes the snapshot away again.
fn stand_on(directory: &Directory, structure: &mut Structure, image: &str, created: &str) -> Result<(), ChangeError> {
    let chain = [image.to_owned()];
    let made = Layers::load(directory, &chain, structure.meta.size, structure.lower.backing())
        .and_then(|lower| Ok((lower, FreshHead::make(directory, &structure.meta, image, created)?)));
    let (lower, fresh) = match made {
        Ok(made) => made,
        Err(error) => {
            undo(directory, &[image]);
            return Err(error.undone(NOT_FILLED).into());
        }
    };
    crash_point::reached("fill.head-made");
    let old_head = structure.meta.head.clone();
    let fresh = fresh.commit_or_undo(directory, &mut structure.meta).map_err(|error| {
        if let ChangeError::Kept(_) = error {
            undo(directory, &[image]);
        }
        error.undone(NOT_FILLED)
    })?;
    crash_point::reached("fill.committed");
    structure.records.0.insert(image.to_owned(), LayerMeta::head("", "", ""));
    structure.lower = lower;
    structure.head = fresh.install(&mut structure.records);
    structure.records.0.remove(&old_head);
    directory.remove_layer(&old_head)?;
    Ok(directory.sync()?)
}
