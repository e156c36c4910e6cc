//! What a snapshot shows, read while the volume is in use.
//!
//! The images of the snapshot's chain are opened and mapped once and kept, so that reading a snapshot from end to end
//! does not ask the file system for every extent again with every request.
//!
//! Invariant: **every call answers with the snapshot's one and only content, or refuses.** Why that holds while other
//! operations change the directory:
//! - A call works under the shared structure lock, and a view is used only for the structure it was loaded from: every
//!   change of the structure forgets all views and raises the version. So no call sees half of a change, and no view
//!   outlives the removal of its snapshot, or a rebuild that makes new files of the same names.
//! - A purge also changes files between changes of the structure. Into a removed layer it copies what the layer's only
//!   child holds: those blocks are hidden by the child in every chain that contains both, and a chain that ends at the
//!   removed layer is that of a removed snapshot, which is refused. From a removed layer it punches what the head hides,
//!   and a discard punches removed layers that no live snapshot stands on.
//! - Images under other names (a purge puts the merged file under the child's name) are the same bytes: the open files
//!   of a view stay what they were.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::extent_map::Blocks;
use super::names;
use super::stack::{Layers, Structure, bytes_of};
use super::{Replica, ReplicaError};
use crate::backing::BackingFile;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{AlignedBuf, BLOCK_SIZE};

/// Views kept at once. Each has a file descriptor for every layer of its chain and their map in memory.
const VIEWS_MAXIMUM: usize = 4;
/// Blocks looked at in one step of a walk through a map: an empty 16 TiB volume takes a few thousand steps.
const WINDOW: u64 = 1 << 20;

/// Which data of a snapshot is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSelection {
    /// The snapshot's name.
    pub name: String,
    /// Only blocks whose topmost layer is newer than this snapshot, one of its ancestors.
    pub changed_since: Option<String>,
    /// Counts what the backing file covers as data; never together with `changed_since`.
    pub backing_file: bool,
}

impl SnapshotSelection {
    /// All data of the replica's own layers.
    #[must_use]
    pub fn all_of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// What there is to read of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// Bytes of the volume when the snapshot was taken; later it reads as zeros from here on.
    pub size: u64,
    /// RFC 3339, UTC; empty for a snapshot that came with a clone or a restore.
    pub created: String,
    /// Bytes that the selection's extents cover.
    pub selected_bytes: u64,
    /// Path of the file below the layers; empty for none.
    pub backing_file: String,
    /// Its size in bytes, rounded up to whole blocks.
    pub backing_bytes: u64,
}

/// The open chain of one snapshot.
#[derive(Debug)]
struct View {
    image: String,
    /// The snapshot first, the root last.
    chain: Vec<String>,
    layers: Layers,
    /// Bytes of the topmost image.
    size: u64,
    version: u64,
}

/// What a view is loaded from, as it was at one version of the structure.
struct Plan {
    chain: Vec<String>,
    backing: Option<Arc<BackingFile>>,
    volume_size: u64,
    version: u64,
}

/// The views in use, the latest last.
#[derive(Debug, Default)]
pub(super) struct Views {
    kept: Mutex<VecDeque<Arc<View>>>,
    /// Changes of the structure so far; stands still while anybody holds the structure's lock shared.
    version: AtomicU64,
    /// Held while a view is loaded, so that several readers of one snapshot load it once.
    loading: Mutex<()>,
}

impl Views {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<View>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The structure is about to change; the caller holds its lock exclusively.
    pub(super) fn forget_all(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
        self.lock().clear();
    }

    fn forget(&self, image: &str) {
        self.lock().retain(|view| view.image != image);
    }

    fn find(&self, image: &str) -> Option<Arc<View>> {
        let mut kept = self.lock();
        let at = kept.iter().position(|view| view.image == image)?;
        let view = kept.remove(at)?;
        kept.push_back(Arc::clone(&view));
        Some(view)
    }

    /// Keeps a view of the present structure; the caller holds the structure's lock shared.
    fn keep(&self, view: &Arc<View>) {
        let mut kept = self.lock();
        kept.retain(|other| other.image != view.image);
        if kept.len() == VIEWS_MAXIMUM {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(view));
    }
}

impl Replica {
    /// What there is to read of a snapshot from byte `from` on.
    ///
    /// # Errors
    /// [`ReplicaError::SnapshotNotFound`] and [`ReplicaError::SnapshotRemoved`], for either name of the selection,
    /// [`ReplicaError::NoAncestor`], [`ReplicaError::Rebuilding`], or the disk's.
    pub fn snapshot_facts(&self, selection: &SnapshotSelection, from: u64) -> Result<SnapshotFacts, ReplicaError> {
        self.with_view(&selection.name, |structure, view| {
            let wanted = Wanted::of(selection, structure, view)?;
            let mut selected_bytes = 0;
            view.walk(from, wanted, |part| {
                selected_bytes += bytes_of(&part).1;
                true
            })?;
            let record = structure.records.get(&view.image);
            Ok(SnapshotFacts {
                size: view.size,
                created: record.map(|record| record.created.clone()).unwrap_or_default(),
                selected_bytes,
                backing_file: structure.meta.backing_file_path.clone(),
                backing_bytes: view.layers.backing_blocks() * BLOCK_SIZE,
            })
        })
    }

    /// Ranges `(offset, length)` in bytes of the snapshot's data, all layers of its chain together, at or after `from`
    /// (a multiple of 4096), at most `max` of them, allocated zeros included. Ranges that touch are one. To go on, ask
    /// from the end of the last one.
    ///
    /// # Errors
    /// As [`Replica::snapshot_facts`].
    pub fn snapshot_extents(
        &self,
        selection: &SnapshotSelection,
        from: u64,
        max: usize,
    ) -> Result<Vec<(u64, u64)>, ReplicaError> {
        self.with_view(&selection.name, |structure, view| {
            let mut found: Vec<Blocks> = Vec::new();
            view.walk(from, Wanted::of(selection, structure, view)?, |part| {
                let full = found.len() >= max;
                match found.last_mut() {
                    Some(last) if last.end == part.start => last.end = part.end,
                    _ if full => return false,
                    _ => found.push(part),
                }
                true
            })?;
            Ok(found.iter().map(bytes_of).collect())
        })
    }

    /// `length` bytes of the snapshot from `offset` on, at any alignment; zeros where nothing was written and past the
    /// end of a snapshot that is shorter than the volume.
    ///
    /// # Errors
    /// As [`Replica::snapshot_facts`], and [`ReplicaError::OutOfRange`] past the end of the volume.
    pub fn read_snapshot(&self, name: &str, offset: u64, length: u32) -> Result<AlignedBuf, ReplicaError> {
        self.check_range("a read of a snapshot", offset, u64::from(length))?;
        self.with_view(name, |_, view| {
            super::read::cut(offset, length, |blocks, buffer| view.layers.read(blocks, buffer))
        })
    }

    /// Path of the file below the layers, as it was recorded; empty for none.
    ///
    /// # Errors
    /// [`ReplicaError::Closed`], [`ReplicaError::Failed`].
    pub fn backing_file(&self) -> Result<String, ReplicaError> {
        self.shared(|structure| Ok(structure.meta.backing_file_path.clone()))
    }

    /// Lets go of the files that reading this snapshot keeps open. It can be read again all the same.
    ///
    /// # Errors
    /// [`ReplicaError::InvalidName`].
    pub fn forget_snapshot_view(&self, name: &str) -> Result<(), ReplicaError> {
        self.views.forget(&names::snapshot_image(name)?);
        Ok(())
    }

    /// Runs `work` on the view of a snapshot that is there and not removed, in a structure that stays as it is.
    fn with_view<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Structure, &View) -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        let image = names::snapshot_image(name)?;
        let prepared = self.prepare_view(name, &image)?;
        self.shared(|structure| {
            check_readable(structure, name, &image)?;
            let view = match prepared.filter(|view| view.version == self.views.version.load(Ordering::SeqCst)) {
                Some(view) => view,
                // The structure changed while the view was loaded. Once more, and now it cannot.
                None => Arc::new(self.load_view(&image, self.plan(structure, &image)?)?),
            };
            self.views.keep(&view);
            work(structure, &view)
        })
    }

    /// Loads the view if nobody has, without the structure's lock: a change that pauses all I/O must not wait for it.
    /// `None`: files changed under it; whether that is an error is found out under the lock.
    fn prepare_view(&self, name: &str, image: &str) -> Result<Option<Arc<View>>, ReplicaError> {
        if let Some(view) = self.views.find(image) {
            return Ok(Some(view));
        }
        let _loading = self.views.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = self.views.find(image) {
            return Ok(Some(view));
        }
        let plan = self.shared(|structure| {
            check_readable(structure, name, image)?;
            self.plan(structure, image)
        })?;
        Ok(self.load_view(image, plan).ok().map(Arc::new))
    }

    /// The caller holds the structure's lock.
    fn plan(&self, structure: &Structure, image: &str) -> Result<Plan, ReplicaError> {
        Ok(Plan {
            chain: structure.records.chain_from(image)?,
            backing: structure.lower.backing(),
            volume_size: structure.meta.size,
            version: self.views.version.load(Ordering::SeqCst),
        })
    }

    fn load_view(&self, image: &str, plan: Plan) -> Result<View, ReplicaError> {
        let size = ImageFile::open(&self.directory.file(image), Access::ReadOnly)?.size()?;
        let layers = Layers::load(&self.directory, &plan.chain, plan.volume_size, plan.backing)?;
        Ok(View { image: image.to_owned(), chain: plan.chain, layers, size, version: plan.version })
    }
}

/// A snapshot that is marked as removed is none any more.
fn check_readable(structure: &Structure, name: &str, image: &str) -> Result<(), ReplicaError> {
    structure.complete_for("read a snapshot")?;
    match structure.records.get(image) {
        None => Err(ReplicaError::SnapshotNotFound { name: name.to_owned() }),
        Some(record) if record.removed => Err(ReplicaError::SnapshotRemoved { name: name.to_owned() }),
        Some(_) => Ok(()),
    }
}

/// What counts as data in a walk.
#[derive(Clone, Copy)]
struct Wanted {
    /// Layers from this number on, counted from the root.
    from_layer: usize,
    /// Blocks from the start that count although no layer holds them.
    backing_blocks: u64,
}

impl Wanted {
    fn of(selection: &SnapshotSelection, structure: &Structure, view: &View) -> Result<Self, ReplicaError> {
        let backing_blocks = if selection.backing_file { view.layers.backing_blocks() } else { 0 };
        let Some(base) = &selection.changed_since else { return Ok(Self { from_layer: 0, backing_blocks }) };
        let image = names::snapshot_image(base)?;
        check_readable(structure, base, &image)?;
        // The chain has the snapshot first: as many layers are newer than the base as stand before it.
        let newer = view
            .chain
            .iter()
            .position(|layer| *layer == image)
            .ok_or_else(|| ReplicaError::NoAncestor { base: base.clone(), name: selection.name.clone() })?;
        Ok(Self { from_layer: view.chain.len() - newer, backing_blocks: 0 })
    }
}

impl View {
    /// Calls `each` for the parts of the snapshot that hold wanted data, from byte `from` on, in order, until it says
    /// `false`. Neighbours may touch.
    fn walk(&self, from: u64, wanted: Wanted, mut each: impl FnMut(Blocks) -> bool) -> Result<(), ReplicaError> {
        let end = self.size.div_ceil(BLOCK_SIZE);
        let mut at = from / BLOCK_SIZE;
        while at < end {
            let window = at..end.min(at + WINDOW);
            at = window.end;
            for (part, layer) in self.layers.segments(window)? {
                let part = match layer {
                    Some(layer) if usize::from(layer) >= wanted.from_layer => part,
                    Some(_) => continue,
                    None => part.start..part.end.min(wanted.backing_blocks).max(part.start),
                };
                if !part.is_empty() && !each(part) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
