//! The open images of a chain and the maps that say which of them holds a block.

use std::sync::{Arc, RwLock};

use super::below::Below;
use super::chain::Records;
use super::directory::Directory;
use super::error::ReplicaError;
use super::extent_map::{Blocks, ExtentMap, Segments};
use super::layer_files;
use super::map_trust::MapTrust;
use super::metadata::VolumeMeta;
use super::rebuild_target::RebuildTarget;
use super::regions::Regions;
use crate::backing::BackingFile;
use crate::crash_point;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{BLOCK_SIZE, DiskError};

/// Everything about a replica that a snapshot, revert or rebuild changes.
#[derive(Debug)]
pub(super) struct Structure {
    /// As `volume.meta` holds it.
    pub(super) meta: VolumeMeta,
    pub(super) records: Records,
    pub(super) head: Head,
    /// What lies below the head. Empty while rebuilding, unless the replica catches up: nothing is read then.
    pub(super) lower: Layers,
    pub(super) below: Below,
    pub(super) rebuild: RebuildTarget,
    pub(super) regions: Regions,
}

/// The layer that takes writes.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) image: Arc<ImageFile>,
    /// Which blocks the head holds: always what FIEMAP says, see [`Head::recheck`].
    map: RwLock<ExtentMap<()>>,
    trust: MapTrust,
}

/// Images over each other that nobody writes to, and a file under all of them.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// Root first.
    images: Vec<Arc<ImageFile>>,
    /// Block → index in `images` of the topmost that holds it. Eight bits are enough for [`super::chain::LONGEST_CHAIN`].
    /// Changes under I/O only where a discard or a purge gives storage of removed layers back.
    map: RwLock<ExtentMap<u8>>,
    trust: MapTrust,
    /// Answers for every block no layer holds.
    backing: Option<Arc<BackingFile>>,
}

/// The bytes of `blocks`.
pub(super) fn bytes_of(blocks: &Blocks) -> (u64, u64) {
    (blocks.start * BLOCK_SIZE, (blocks.end - blocks.start) * BLOCK_SIZE)
}

/// The place of `part` in a buffer that starts with block `first`.
pub(super) fn place_of(part: &Blocks, first: u64) -> std::ops::Range<usize> {
    ((part.start - first) * BLOCK_SIZE) as usize..((part.end - first) * BLOCK_SIZE) as usize
}

impl Head {
    /// Opens the head and reads its map.
    pub(super) fn open(directory: &Directory, meta: &VolumeMeta) -> Result<Self, ReplicaError> {
        let image = Arc::new(directory.open_image(&meta.head, Access::ReadWrite)?);
        image.take_for_writing()?;
        image.sync_data()?;
        let mut map = ExtentMap::default();
        for blocks in held(&image, 0..meta.size / BLOCK_SIZE)? {
            map.assign(blocks, ());
        }
        Ok(Self { image, map: RwLock::new(map), trust: MapTrust::default() })
    }

    /// A head that holds nothing yet.
    pub(super) fn empty(image: ImageFile) -> Self {
        Self { image: Arc::new(image), map: RwLock::default(), trust: MapTrust::default() }
    }

    pub(super) fn segments(&self, blocks: Blocks) -> Result<Segments<()>, ReplicaError> {
        self.trust.check()?;
        Ok(self.map.read().map_err(|_| ReplicaError::poisoned())?.segments(blocks))
    }

    /// How many of `blocks` the head holds.
    pub(super) fn count(&self, blocks: Blocks) -> Result<u64, ReplicaError> {
        self.trust.check()?;
        Ok(self.map.read().map_err(|_| ReplicaError::poisoned())?.count(blocks))
    }

    /// Writes whole blocks; `data` is aligned memory.
    pub(super) fn write(&self, blocks: Blocks, data: &[u8]) -> Result<(), ReplicaError> {
        let (offset, _) = bytes_of(&blocks);
        self.taking(blocks, |image| image.write_blocks(offset, data))
    }

    /// Makes `blocks` zeros that hide what lies below. They are written, because reserved space means nothing after a
    /// power cut ([`super::unfinished`]).
    pub(super) fn write_zeros(&self, blocks: Blocks) -> Result<(), ReplicaError> {
        let (offset, length) = bytes_of(&blocks);
        self.taking(blocks, |image| image.write_zeros(offset, length))
    }

    /// Makes `blocks` zeros with storage, in no time. Only where no layer below holds data.
    pub(super) fn reserve_zeros(&self, blocks: Blocks) -> Result<(), ReplicaError> {
        let (offset, length) = bytes_of(&blocks);
        self.taking(blocks, |image| image.reserve_zeros(offset, length))
    }

    /// Makes `blocks` a hole.
    pub(super) fn punch(&self, blocks: Blocks) -> Result<(), ReplicaError> {
        let (offset, length) = bytes_of(&blocks);
        match self.image.punch(offset, length) {
            Ok(()) => {
                crash_point::reached("discard.punched");
                self.map.write().map_err(|_| ReplicaError::poisoned())?.remove(blocks);
                Ok(())
            }
            Err(error) => self.recheck(blocks, error),
        }
    }

    /// Does `work`, after which the head holds `blocks`.
    pub(super) fn taking(
        &self,
        blocks: Blocks,
        work: impl FnOnce(&ImageFile) -> Result<(), DiskError>,
    ) -> Result<(), ReplicaError> {
        if let Err(error) = work(&self.image) {
            return self.recheck(blocks, error);
        }
        crash_point::reached("write.in-image");
        self.took(blocks)
    }

    /// The image took `blocks`.
    pub(super) fn took(&self, blocks: Blocks) -> Result<(), ReplicaError> {
        if !self.map.read().map_err(|_| ReplicaError::poisoned())?.covers(&blocks) {
            self.map.write().map_err(|_| ReplicaError::poisoned())?.assign(blocks, ());
        }
        Ok(())
    }

    pub(super) fn image(&self) -> Arc<ImageFile> {
        Arc::clone(&self.image)
    }

    /// After a failed change of `blocks` asks the file what it holds now, so that the map stays true to it. A map that
    /// cannot be made true is never used again.
    pub(super) fn recheck(&self, blocks: Blocks, error: DiskError) -> Result<(), ReplicaError> {
        self.take_back_unfinished(&blocks)?;
        let found = held(&self.image, blocks.clone()).inspect_err(|error| self.trust.lose(error))?;
        let mut map = self.map.write().map_err(|_| ReplicaError::poisoned())?;
        map.remove(blocks);
        for part in found {
            map.assign(part, ());
        }
        Err(error.into())
    }
}

/// The parts of `blocks` that have storage in `image`.
pub(super) fn held(image: &ImageFile, blocks: Blocks) -> Result<Vec<Blocks>, DiskError> {
    let mut found = Vec::new();
    image.for_each_extent(blocks.start * BLOCK_SIZE, blocks.end * BLOCK_SIZE, |extent| {
        let start = (extent.offset / BLOCK_SIZE).max(blocks.start);
        let end = ((extent.offset + extent.length) / BLOCK_SIZE).min(blocks.end);
        if start < end {
            found.push(start..end);
        }
        true
    })?;
    Ok(found)
}

/// The first parts of `blocks` that have storage in `image`, `most` blocks in all.
pub(super) fn first_held(image: &ImageFile, blocks: Blocks, most: u64) -> Result<Vec<Blocks>, DiskError> {
    let mut found: Vec<Blocks> = Vec::new();
    let mut left = most;
    image.for_each_extent(blocks.start * BLOCK_SIZE, blocks.end * BLOCK_SIZE, |extent| {
        let start = (extent.offset / BLOCK_SIZE).max(blocks.start);
        let end = ((extent.offset + extent.length) / BLOCK_SIZE).min(blocks.end).min(start + left);
        if start < end {
            found.push(start..end);
            left -= end - start;
        }
        left > 0
    })?;
    Ok(found)
}

impl Layers {
    /// Opens the images of `chain` (topmost first), makes them durable and reads their maps.
    pub(crate) fn load(
        directory: &Directory,
        chain: &[String],
        size: u64,
        backing: Option<Arc<BackingFile>>,
    ) -> Result<Self, ReplicaError> {
        let mut layers = Self { backing, ..Self::default() };
        let blocks = 0..size / BLOCK_SIZE;
        layer_files::open_each(directory, chain.iter().rev(), &blocks, |(image, parts)| {
            layers.push(Arc::new(image), parts)
        })?;
        Ok(layers)
    }

    /// Puts an image on top that holds `parts`.
    fn push(&mut self, image: Arc<ImageFile>, parts: impl IntoIterator<Item = Blocks>) -> Result<(), ReplicaError> {
        // The chain's limit of 250 keeps the index within a byte.
        let index = self.images.len() as u8;
        let map = self.map.get_mut().map_err(|_| ReplicaError::poisoned())?;
        self.images.push(image);
        for blocks in parts {
            map.assign(blocks, index);
        }
        Ok(())
    }

    /// The file of layer `index`, counted from the root, now holds what the layer above it holds too, and takes that
    /// one's place: `image` is it under its new name.
    pub(super) fn merge_up(&mut self, index: usize, image: ImageFile) -> Result<(), ReplicaError> {
        let map = self.map.get_mut().map_err(|_| ReplicaError::poisoned())?;
        map.renumber(|layer| if usize::from(layer) > index { layer - 1 } else { layer });
        self.images.remove(index);
        self.images[index] = Arc::new(image);
        Ok(())
    }

    /// Lets `parts` show what the images under the topmost one hold. Its file stays as it is.
    pub(crate) fn uncover(&mut self, parts: &[Blocks]) -> Result<(), ReplicaError> {
        let map = self.map.get_mut().map_err(|_| ReplicaError::poisoned())?;
        let Some((_, below)) = self.images.split_last() else { return Ok(()) };
        for part in parts {
            map.remove(part.clone());
            for (index, image) in below.iter().enumerate() {
                held(image, part.clone())?.into_iter().for_each(|blocks| map.assign(blocks, index as u8));
            }
        }
        Ok(())
    }

    /// Asks the files again which of them hold `blocks`, after storage was taken out of one. If they do not answer, the
    /// map is never used again.
    pub(super) fn recheck(&self, blocks: Blocks) -> Result<(), ReplicaError> {
        let mut found = Vec::new();
        for (index, image) in self.images.iter().enumerate() {
            let parts = held(image, blocks.clone()).inspect_err(|error| self.trust.lose(error))?;
            found.extend(parts.into_iter().map(|part| (part, index as u8)));
        }
        let mut map = self.map.write().map_err(|_| ReplicaError::poisoned())?;
        map.remove(blocks);
        for (part, index) in found {
            map.assign(part, index);
        }
        Ok(())
    }

    /// The former head becomes the topmost layer; `image` is the same file under its new name.
    pub(super) fn push_head(&mut self, image: ImageFile, head: &Head) -> Result<(), ReplicaError> {
        let map = head.map.read().map_err(|_| ReplicaError::poisoned())?;
        let index = self.images.len() as u8;
        self.images.push(Arc::new(image));
        let below = self.map.get_mut().map_err(|_| ReplicaError::poisoned())?;
        below.assign_all(&map, index);
        Ok(())
    }

    pub(super) fn backing(&self) -> Option<Arc<BackingFile>> {
        self.backing.clone()
    }

    /// Blocks from the start that the backing file covers.
    pub(super) fn backing_blocks(&self) -> u64 {
        self.backing.as_ref().map_or(0, |backing| backing.blocks())
    }

    /// All of `blocks` in order, each with the number of the topmost layer that holds it, counted from the root.
    pub(crate) fn segments(&self, blocks: Blocks) -> Result<Segments<u8>, ReplicaError> {
        self.trust.check()?;
        Ok(self.map.read().map_err(|_| ReplicaError::poisoned())?.segments(blocks))
    }

    /// The image of layer `number`, counted from the root.
    pub(super) fn image(&self, number: u8) -> Arc<ImageFile> {
        Arc::clone(&self.images[usize::from(number)])
    }

    /// Fills `buffer` with `blocks` as they are seen from the topmost of these layers.
    pub(crate) fn read(&self, blocks: Blocks, buffer: &mut [u8]) -> Result<(), ReplicaError> {
        let first = blocks.start;
        for (part, layer) in self.segments(blocks)? {
            let place = &mut buffer[place_of(&part, first)];
            match (layer, &self.backing) {
                (Some(layer), _) => self.images[usize::from(layer)].read_blocks(part.start * BLOCK_SIZE, place)?,
                (None, Some(backing)) => backing.read_blocks(part.start * BLOCK_SIZE, place)?,
                (None, None) => place.fill(0),
            }
        }
        Ok(())
    }

    /// Cuts `blocks` where it changes whether any layer (or the backing file) holds them.
    pub(crate) fn hidden_data(&self, blocks: Blocks) -> Result<Vec<(Blocks, bool)>, ReplicaError> {
        let covered = self.backing.as_ref().map_or(0, |backing| backing.blocks());
        let mut found: Vec<(Blocks, bool)> = Vec::new();
        let mut add = |part: Blocks, holds: bool| match found.last_mut() {
            _ if part.is_empty() => {}
            Some((last, same)) if *same == holds => last.end = part.end,
            _ => found.push((part, holds)),
        };
        for (part, layer) in self.segments(blocks)? {
            let cut = covered.clamp(part.start, part.end);
            add(part.start..cut, true);
            add(cut..part.end, layer.is_some());
        }
        Ok(found)
    }
}

impl Structure {
    /// Fills `buffer` with `blocks` as a reader of the volume sees them.
    pub(super) fn read(&self, blocks: Blocks, buffer: &mut [u8]) -> Result<(), ReplicaError> {
        let first = blocks.start;
        for (part, held) in self.head.segments(blocks)? {
            let place = &mut buffer[place_of(&part, first)];
            match held {
                Some(()) => self.head.image.read_blocks(part.start * BLOCK_SIZE, place)?,
                None => self.lower.read(part, place)?,
            }
        }
        Ok(())
    }

    /// Why the maps cannot be used any more, if that is so.
    pub(super) fn lost_trust(&self) -> Option<&str> {
        self.head.trust.lost().or_else(|| self.lower.trust.lost())
    }

    /// Refuses everything once a map may differ from the files.
    pub(super) fn trusted(&self) -> Result<(), ReplicaError> {
        self.head.trust.check().and_then(|()| self.lower.trust.check())
    }

    /// Refuses what needs complete data while some may be missing.
    pub(super) fn complete_for(&self, what: &'static str) -> Result<(), ReplicaError> {
        if self.meta.rebuilding { Err(ReplicaError::Rebuilding { what }) } else { Ok(()) }
    }
}
