//! Opening and closing.
//!
//! Everything is read and judged first; only then the directory is marked dirty, and only after that anything else
//! in it changes. A directory that cannot be trusted is left exactly as it is.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::chain::Records;
use super::create::check_size;
use super::directory::Directory;
use super::error::ReplicaError;
use super::fence::FenceState;
use super::leftovers::Leftovers;
use super::metadata::VolumeMeta;
use super::names;
use super::purge::{InterruptedMerges, Slot};
use super::regions::Regions;
use super::remote_map::RemoteMap;
use super::replace::ReplaceError;
use super::revision_counter::RevisionCounter;
use super::stack::{Head, Layers, Structure};
use super::unfinished::Unwritten;
use super::{Life, OpenOptions, Replica};
use crate::backing::{self, BackingFile};
use crate::crash_point;
use crate::disk::DiskError;

impl Replica {
    /// Takes the directory for this process and marks it dirty, durably, before anything else can change in it.
    ///
    /// # Errors
    /// [`ReplicaError::InUse`] where another process (or an earlier value in this one) owns it,
    /// [`ReplicaError::Corrupt`] where its files contradict each other, [`ReplicaError::Backing`] where the backing file
    /// is missing or cannot be used: nothing was changed then.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, ReplicaError> {
        Self::open_on(dir, None, options)
    }

    /// Like [`Replica::open`]. With `backing_file`, the image under all layers (or a directory that holds nothing else),
    /// `volume.meta` names that one from now on; without it, the one recorded there is used, if any.
    ///
    /// # Errors
    /// As [`Replica::open`].
    pub fn open_on(dir: &Path, backing_file: Option<&Path>, options: OpenOptions) -> Result<Self, ReplicaError> {
        if !dir.is_dir() {
            return Err(ReplicaError::NotFound { dir: dir.to_path_buf() });
        }
        let mut directory = Directory::take(dir)?;
        directory.check_block_size()?;
        if !options.no_checksums {
            directory.keep_sums();
        }
        let listing = directory.list()?;
        let (mut meta, origin) = read_volume_meta(&directory, &listing)?;
        if let Some(given) = backing_file {
            meta.backing_file_path = backing::recorded_path(given)?;
        }
        let remote = RemoteMap::load(&directory, &mut meta, origin == MetaOrigin::Guessed)?;
        let mut records = Records::discover(&directory, &listing)?;
        let leftovers = Leftovers::find(&directory, &listing, &meta.head, &mut records)?;
        let merges = InterruptedMerges::find(&directory, &meta.head, &mut records)?;
        let mut structure = open_structure(&directory, meta, records)?;
        let mut fence = FenceState::load(&directory, structure.meta.dirty)?;
        let unwritten = Unwritten::judge(&structure, &fence)?;
        fence.zeros_written = matches!(unwritten, Unwritten::Unfinished(_));
        let revision = options.revision_counter.then(|| RevisionCounter::load(&directory)).transpose()?;

        if origin == MetaOrigin::Guessed {
            let VolumeMeta { head, size, .. } = &structure.meta;
            tracing::warn!(head, size, directory = %dir.display(), "volume.meta was missing or empty and is made anew from the head image");
        }
        let was_dirty = std::mem::replace(&mut structure.meta.dirty, true);
        directory.replace(names::VOLUME_META, &structure.meta.encode()?, 0o644)?;
        crash_point::reached("open.marked-dirty");
        fence.store(&directory)?;
        crash_point::reached("open.fence-stored");
        let dirty = structure.regions.dirty().and_then(|dirty| dirty.ranges());
        directory.begin_sums(dirty.as_deref())?;
        crash_point::reached("open.sums-judged");
        structure.regions.follow(&directory, structure.meta.size, &structure.meta.head);
        structure.take_back(&unwritten)?;
        leftovers.remove(&directory)?;
        remote.tidy(&directory)?;
        merges.finish(&directory, &structure.records)?;
        crash_point::reached("open.tidied");
        if revision.is_some() && !listing.iter().any(|file| file == names::REVISION_COUNTER) {
            RevisionCounter::create(&directory)?;
        }
        let size = AtomicU64::new(structure.meta.size);
        let life = RwLock::new(Life::Open(Box::new(structure)));
        Ok(Self {
            directory,
            size,
            was_dirty,
            gate: super::gate::Gate::default(),
            life,
            fence: Mutex::new(fence),
            revision,
            syncs: super::sync::Syncs::default(),
            prepared: Mutex::default(),
            views: super::snapshot_view::Views::default(),
            fill: Mutex::default(),
            checksum_file: Mutex::default(),
            purge: Slot::default(),
            remote,
        })
    }

    /// Makes everything durable, takes the dirty mark away and lets go of the directory. Later calls fail with
    /// [`ReplicaError::Closed`].
    ///
    /// # Errors
    /// Something could not be written; the replica stays open and dirty, and close may be tried again. Where it is not
    /// known whether the dirty mark is gone, the replica has failed instead.
    pub fn close(&self) -> Result<(), ReplicaError> {
        self.stop_purge("the replica is being closed");
        let _alone = self.gate.alone();
        let mut life = self.life.write().map_err(|_| ReplicaError::poisoned())?;
        let structure = life.open()?;
        self.views.forget_all();
        self.drop_fill()?;
        self.undo_prepared();
        self.sync_head(structure)?;
        structure.rebuild.sync()?;
        self.sync_sums()?;
        self.store_revision()?;
        crash_point::reached("close.synced");
        let clean = VolumeMeta { dirty: false, ..structure.meta.clone() };
        if let Err(error) = structure.regions.replace_meta(&self.directory, &clean.encode()?) {
            if let ReplaceError::Unknown(error) = &error {
                // The directory may count as clean now, and must not be written to any more.
                *life = Life::Failed { why: error.to_string() };
            }
            return Err(error.into());
        }
        crash_point::reached("close.committed");
        *life = Life::Closed;
        self.directory.release()
    }

    /// Why only another open can help, if that is so: memory and files may differ, a map is out of date, or a sync failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let unsynced = || self.failed_sync().map(|why| format!("a sync failed: {why}"));
        match self.life.read().as_deref() {
            Ok(Life::Failed { why }) => Some(why.clone()),
            Ok(Life::Open(structure)) => structure.lost_trust().map(str::to_owned).or_else(unsynced),
            Ok(Life::Closed) => unsynced(),
            Err(_) => Some(ReplicaError::poisoned().to_string()),
        }
    }

    /// Lets go of the directory and leaves it as it is, for another open to judge. Later calls fail with
    /// [`ReplicaError::Closed`].
    pub fn abandon(&self) {
        let _alone = self.gate.alone();
        *self.life.write().unwrap_or_else(PoisonError::into_inner) = Life::Closed;
        if let Err(error) = self.directory.release() {
            tracing::warn!(%error, "the directory stays locked until this process ends");
        }
    }
}

/// Where the facts of `volume.meta` came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetaOrigin {
    Recorded,
    /// The file was missing or empty.
    Guessed,
}

/// `volume.meta`; where it is missing or empty, what Longhorn would guess from the head image.
pub(crate) fn read_volume_meta(
    directory: &Directory,
    listing: &[String],
) -> Result<(VolumeMeta, MetaOrigin), ReplicaError> {
    let (meta, origin) = match directory.read(names::VOLUME_META)? {
        Some(text) if !text.is_empty() => (VolumeMeta::decode(names::VOLUME_META, &text)?, MetaOrigin::Recorded),
        _ => (guess_volume_meta(directory, listing)?, MetaOrigin::Guessed),
    };
    if !names::is_head(&meta.head) || meta.head.contains('/') {
        let why = format!("its head {:?} is not the name of a head image", meta.head);
        return Err(ReplicaError::corrupt(names::VOLUME_META, why));
    }
    check_size(meta.size)
        .map_err(|error| ReplicaError::corrupt(names::VOLUME_META, format!("its size cannot be: {error}")))?;
    Ok((meta, origin))
}

/// With one head there is no doubt. With several, a wrong choice would lose what the other holds.
pub(crate) fn guess_volume_meta(directory: &Directory, listing: &[String]) -> Result<VolumeMeta, ReplicaError> {
    let heads: Vec<&String> = listing.iter().filter(|file| names::is_head(file)).collect();
    let [head] = heads[..] else {
        if heads.is_empty() {
            return Err(ReplicaError::NotFound { dir: directory.path().to_path_buf() });
        }
        let why = format!("it is missing or empty, and {} head images are there to choose from", heads.len());
        return Err(ReplicaError::corrupt(names::VOLUME_META, why));
    };
    let path = directory.file(head);
    let size = std::fs::metadata(&path).map_err(DiskError::at("look at", &path))?.len();
    let mut meta = VolumeMeta { dirty: true, ..VolumeMeta::new(size, head) };
    let head_meta = names::meta_of(head);
    if let Some(text) = directory.read(&head_meta)? {
        meta.parent = super::metadata::LayerMeta::decode(&head_meta, &text)?.parent;
    }
    Ok(meta)
}

/// Opens the images and checks that they fit together.
fn open_structure(directory: &Directory, meta: VolumeMeta, mut records: Records) -> Result<Structure, ReplicaError> {
    let head = Head::open(directory, &meta)?;
    let head_size = head.image.size()?;
    if head_size != meta.size {
        let why = format!("it has {head_size} bytes and volume.meta says {}", meta.size);
        return Err(ReplicaError::corrupt(&meta.head, why));
    }
    let lower = if meta.rebuilding {
        // Layers may be missing or half filled; nothing is read from them until the rebuild finishes. That the backing
        // file is there should not turn out only then.
        open_backing(&meta.backing_file_path, meta.size)?;
        Layers::default()
    } else {
        load_lower(directory, &meta, &records, &meta.head)?
    };
    note_missing_images(directory, &mut records)?;
    let regions = Regions::load(directory, meta.size, &meta.head);
    Ok(Structure {
        meta,
        records,
        head,
        lower,
        below: super::below::Below::default(),
        rebuild: super::rebuild_target::RebuildTarget::default(),
        regions,
    })
}

/// The layers under `top`, with the backing file at the bottom.
pub(super) fn load_lower(
    directory: &Directory,
    meta: &VolumeMeta,
    records: &Records,
    top: &str,
) -> Result<Layers, ReplicaError> {
    let chain = records.chain_from(top)?;
    Layers::load(directory, &chain[1..], meta.size, open_backing(&meta.backing_file_path, meta.size)?)
}

/// Everything on the chain was opened before, and the rest of a deletion is no record any more: what is left was
/// lost. Whoever still has the image needs what it stands on.
fn note_missing_images(directory: &Directory, records: &mut Records) -> Result<(), ReplicaError> {
    let mut missing = Vec::new();
    for image in records.0.keys() {
        if directory.identity(image)?.is_none() {
            missing.push(image.clone());
        }
    }
    for image in missing {
        tracing::warn!(image, directory = %directory.path().display(),
            "the image of this layer is missing; what lies below it is kept until the image is back or its snapshot is removed");
        records.note_missing_image(&image);
    }
    Ok(())
}

/// The backing file that `volume.meta` names, if it names one.
pub(crate) fn open_backing(path: &str, volume_size: u64) -> Result<Option<Arc<BackingFile>>, ReplicaError> {
    if path.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(BackingFile::open(Path::new(path), volume_size)?)))
}
