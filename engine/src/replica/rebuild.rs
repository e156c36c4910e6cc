//! The receiving side of a rebuild.
//!
//! Invariant: from before the first layer is dropped until every copied layer is durable, `volume.meta` says
//! `Rebuilding`, and nothing is read from this replica. A crash in between leaves a replica that opens as rebuilding
//! and starts over.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::abandon;
use super::chain::Records;
use super::create::check_size;
use super::directory::Directory;
use super::metadata::{LayerMeta, VolumeMeta, labels_or_null};
use super::names;
use super::open::load_lower;
use super::raw_layers::LayerInfo;
use super::rebuild_target::{FilledLayer, RebuildTarget};
use super::snapshot::FreshHead;
use super::stack::{Layers, Structure};
use super::{ChangeError, Replica, ReplicaError};
use crate::disk::image::{Access, ImageFile};
use crate::{crash_point, rule};

impl Replica {
    /// Drops every layer this replica has and prepares empty ones like `layers`: all layers of the source, its head
    /// included, whose parent becomes our head's parent. Writes from now on go to the new head, in whole blocks. A
    /// replica that is smaller than the source's head gets its size with the new head.
    ///
    /// # Errors
    /// [`ReplicaError::Corrupt`] where `layers` cannot be a replica of this volume, [`ReplicaError::Undone`]: nothing
    /// changed. Other errors: the replica is rebuilding, and the call may be repeated.
    pub fn rebuild_begin(&self, layers: &[LayerInfo]) -> Result<(), ReplicaError> {
        let source = SourceLayers::check(layers, self.size())?;
        self.stop_purge("the replica is being rebuilt");
        self.exclusive(|structure| {
            set_rebuilding(&self.directory, structure, true)
                .map_err(|error| error.undone("the rebuild did not begin"))?;
            crash_point::reached("rebuild.begun");
            // Only now: what the file says is about the `volume.meta` of before. Until this is a member again, and a round of
            // the members has ended, it may differ from them anywhere.
            if !rule::is_left_out(rule::REBUILD_FORGETS) {
                structure.regions.forget();
            }
            self.forget_remote(structure)?;
            if let Some(revision) = &self.revision {
                revision.set(0);
            }
            structure.lower = Layers::default();
            structure.below = super::below::Below::default();
            structure.rebuild = RebuildTarget::default();
            let replaced = replace_all(&self.directory, structure, source.head);
            self.size.store(structure.meta.size, Ordering::Release);
            replaced?;
            crash_point::reached("rebuild.others-dropped");
            for layer in &source.below {
                make_layer(&self.directory, structure, layer)?;
            }
            self.directory.sync()?;
            structure.rebuild = RebuildTarget::begun();
            Ok(())
        })
    }

    /// Puts whole blocks of the source into a layer below the head. May be called by several threads.
    ///
    /// # Errors
    /// [`ReplicaError::NotRebuilding`] (none has begun since this replica was opened), [`ReplicaError::LayerNotFound`], [`ReplicaError::Unaligned`],
    /// [`ReplicaError::OutOfRange`], [`ReplicaError::NoSpace`], or the disk's.
    pub fn layer_write(&self, file_name: &str, offset: u64, data: &[u8]) -> Result<(), ReplicaError> {
        let all = 0..u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.layer_write_parts(file_name, offset, std::slice::from_ref(&all), data)
    }

    /// Writes the parts of a layer, counted from `offset`, whose bytes are one behind the other in `data` (aligned memory);
    /// what is between them stays as it is.
    ///
    /// # Errors
    /// As [`Replica::layer_write`].
    pub(crate) fn layer_write_parts(
        &self,
        file_name: &str,
        offset: u64,
        parts: &[Range<u32>],
        data: &[u8],
    ) -> Result<(), ReplicaError> {
        let length = self.check_parts("a write into a layer", offset, parts)?;
        self.shared(|structure| {
            let image = self.filled_layer(structure, file_name)?;
            let size = image.direct().size()?;
            if offset + length > size {
                return Err(ReplicaError::OutOfRange { what: "a write into a layer", offset, length, size });
            }
            image.write_parts(offset, parts, data)?;
            crash_point::reached("rebuild.layer-written");
            Ok(())
        })
    }

    /// Takes back what was copied into these layers, to the last hole: what one source had of a layer must not stay
    /// under what another one has. No write into them may be on its way.
    ///
    /// # Errors
    /// As [`Replica::layer_write`].
    pub fn rebuild_empty(&self, layers: &[String]) -> Result<(), ReplicaError> {
        self.shared(|structure| {
            layers.iter().try_for_each(|file_name| {
                let image = self.filled_layer(structure, file_name)?;
                Ok(image.direct().punch(0, image.direct().size()?)?)
            })
        })
    }

    /// The image of a layer that the source's data goes to.
    fn filled_layer(&self, structure: &Structure, file_name: &str) -> Result<Arc<FilledLayer>, ReplicaError> {
        if !structure.meta.rebuilding || !structure.rebuild.is_begun() || structure.rebuild.is_catching_up() {
            return Err(ReplicaError::NotRebuilding { what: "write into a snapshot" });
        }
        let known = structure.records.get(file_name).is_some() && file_name != structure.meta.head;
        if !known || structure.rebuild.is_frozen(file_name) {
            let place = "that this rebuild fills; begin the rebuild again with the source's layers";
            return Err(ReplicaError::LayerNotFound { file_name: file_name.to_owned(), place });
        }
        structure.rebuild.layer(&self.directory, file_name)
    }

    /// Makes every layer durable and serves reads from now on.
    ///
    /// # Errors
    /// Something is missing or could not be made durable: the replica is still rebuilding.
    pub fn rebuild_finish(&self) -> Result<(), ReplicaError> {
        // The bulk is synced while writes still flow.
        self.shared(|structure| structure.rebuild.sync())?;
        self.exclusive(|structure| {
            if !structure.meta.rebuilding || !structure.rebuild.is_begun() {
                return Err(ReplicaError::NotRebuilding { what: "finish a rebuild" }.into());
            }
            self.sync_head(structure)?;
            for name in structure.records.0.keys().filter(|name| !structure.records.lacks_image(name)) {
                ImageFile::open(&self.directory.file(name), Access::ReadOnly)?.sync_data()?;
            }
            let lower = load_lower(&self.directory, &structure.meta, &structure.records, &structure.meta.head)?;
            crash_point::reached("rebuild.synced");
            set_rebuilding(&self.directory, structure, false)?;
            crash_point::reached("rebuild.committed");
            structure.lower = lower;
            structure.rebuild = RebuildTarget::default();
            // What a reboot may have lost has been copied.
            Ok(self.change_fence(|fence| Ok(fence.settled()))?)
        })
    }
}

/// What a source told, found to be possible.
struct SourceLayers<'call> {
    head: &'call LayerInfo,
    below: Vec<&'call LayerInfo>,
}

impl<'call> SourceLayers<'call> {
    /// The names come from another machine and become file names here.
    fn check(layers: &'call [LayerInfo], size: u64) -> Result<Self, ReplicaError> {
        let refuse = |why: String| ReplicaError::corrupt("the source's list of layers", why);
        let (heads, below): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| layer.is_head);
        let [head] = heads[..] else {
            return Err(refuse(format!("it names {} heads and should name one", heads.len())));
        };
        check_size(head.file_size)?;
        if head.file_size < size {
            return Err(ReplicaError::Smaller { asked: head.file_size, size });
        }
        let mut records = Records::default();
        for layer in &below {
            let name = names::snapshot_of(&layer.file_name).unwrap_or_default();
            if names::snapshot_image(name)? != layer.file_name {
                return Err(refuse(format!("{:?} is not the name of a snapshot's image", layer.file_name)));
            }
            if layer.file_size > head.file_size {
                return Err(refuse(format!("{} is larger than the volume", layer.file_name)));
            }
            if records.0.insert(layer.file_name.clone(), meta_of(layer)).is_some() {
                return Err(refuse(format!("{} is named twice", layer.file_name)));
            }
        }
        records.0.insert(head.file_name.clone(), meta_of(head));
        for layer in layers {
            records.chain_from(&layer.file_name)?;
        }
        Ok(Self { head, below })
    }
}

fn meta_of(layer: &LayerInfo) -> LayerMeta {
    LayerMeta {
        name: layer.file_name.clone(),
        parent: layer.parent.clone(),
        removed: layer.removed,
        user_created: layer.user_created,
        created: layer.created.clone(),
        labels: labels_or_null(&layer.labels),
    }
}

fn set_rebuilding(directory: &Directory, structure: &mut Structure, rebuilding: bool) -> Result<(), ChangeError> {
    let meta = VolumeMeta { rebuilding, ..structure.meta.clone() };
    directory.replace(names::VOLUME_META, &meta.encode()?, 0o644)?;
    structure.meta = meta;
    Ok(())
}

/// An empty head with the source's parent takes the old head's place, so that there is a head at every moment, and
/// every other layer goes.
fn replace_all(directory: &Directory, structure: &mut Structure, source: &LayerInfo) -> Result<(), ChangeError> {
    let (missing, old): (Vec<String>, Vec<String>) =
        structure.records.0.keys().cloned().partition(|name| structure.records.lacks_image(name));
    abandon::mark(directory, &old)?;
    let volume = VolumeMeta { size: source.file_size, ..structure.meta.clone() };
    let fresh = FreshHead::make(directory, &volume, &source.parent, &source.created)?;
    let fresh = fresh.commit_or_undo(directory, &mut structure.meta)?;
    structure.head = fresh.install(&mut structure.records);
    crash_point::reached("rebuild.head-replaced");
    structure.records.0.retain(|image, _| *image == structure.meta.head);
    for image in &missing {
        structure.records.forget(image);
        directory.remove_layer(image)?;
    }
    Ok(abandon::remove_marked(directory, &old)?)
}

fn make_layer(directory: &Directory, structure: &mut Structure, layer: &LayerInfo) -> Result<(), ReplicaError> {
    // An image without metadata is no layer, but its name may be in the way.
    directory.make_way(&layer.file_name, &structure.meta.head)?;
    if layer.image_missing {
        // Not on the source either: an empty image would pass for the content of a snapshot that is lost.
        structure.records.note_missing_image(&layer.file_name);
    } else {
        directory.create_image(&layer.file_name, layer.file_size)?;
        crash_point::reached("rebuild.layer-image-made");
    }
    let meta = meta_of(layer);
    let file = names::meta_of(&layer.file_name);
    directory.replace(&file, &meta.encode(&file)?, 0o644)?;
    crash_point::reached("rebuild.layer-made");
    structure.records.0.insert(layer.file_name.clone(), meta);
    Ok(())
}
