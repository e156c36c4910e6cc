//! Reading one layer through its chain.

use super::OfflineError;
use super::structure::Structure;
use super::survey::Survey;
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::image_format::{ImageSource, SourceError};
use crate::replica::extent_map::Blocks;
use crate::replica::names;
use crate::replica::open::open_backing;
use crate::replica::stack::Layers;

/// What a reader of the volume saw when this layer was taken; for the head, what one sees now.
#[derive(Debug)]
pub struct LayerReader {
    /// File names, the layer first and the root last.
    chain: Vec<String>,
    layers: Layers,
    size: u64,
    /// Runs of blocks that some image holds, in order; everything else reads as zeros.
    data: Vec<Blocks>,
}

/// A layer as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Head,
    Snapshot(String),
}

impl LayerReader {
    /// Opens the images of the layer's chain and reads their maps.
    ///
    /// # Errors
    /// [`OfflineError::NoSnapshot`], [`OfflineError::SnapshotRemoved`], [`OfflineError::Damaged`], or the disk's.
    pub fn open(survey: &Survey, structure: &Structure, wanted: &Wanted) -> Result<Self, OfflineError> {
        let chain = structure.chain(survey, wanted)?;
        let size = chain.first().and_then(|image| survey.layers.get(image)?.size()).unwrap_or_default();
        let backing = survey.volume.meta().map_or(Ok(None), |meta| open_backing(&meta.backing_file_path, meta.size))?;
        let mut layers = Layers::load(&survey.directory, chain, size, backing)?;
        if *wanted == Wanted::Head {
            layers.uncover(&structure.unfinished)?;
        }
        let blocks = layers.hidden_data(0..size / BLOCK_SIZE)?;
        let data = blocks.into_iter().filter(|(_, holds)| *holds).map(|(blocks, _)| blocks).collect();
        Ok(Self { chain: chain.to_vec(), layers, size, data })
    }

    /// Ranges `(offset, length)` in bytes that the layers themselves hold, allocated zeros included, the backing file
    /// excluded; of those, only what a layer above the image `since` holds. `None`: that one is not below this layer.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn held_since(&self, since: Option<&str>) -> Result<Option<Vec<(u64, u64)>>, OfflineError> {
        let lowest = match since {
            None => 0,
            Some(image) => match self.chain.iter().position(|layer| layer == image) {
                // The topmost is first here, and has the highest number.
                Some(newer) if newer > 0 => self.chain.len() - newer,
                _ => return Ok(None),
            },
        };
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (blocks, layer) in self.layers.segments(0..self.size / BLOCK_SIZE)? {
            if !layer.is_some_and(|number| usize::from(number) >= lowest) {
                continue;
            }
            let (start, length) = (blocks.start * BLOCK_SIZE, (blocks.end - blocks.start) * BLOCK_SIZE);
            match ranges.last_mut() {
                Some((last, held)) if *last + *held == start => *held += length,
                _ => ranges.push((start, length)),
            }
        }
        Ok(Some(ranges))
    }

    /// `length` bytes from `offset` on, both multiples of 4096.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn read_at(&self, offset: u64, length: u32) -> Result<AlignedBuf, OfflineError> {
        let mut buffer = AlignedBuf::zeroed(length as usize);
        let first = offset / BLOCK_SIZE;
        self.layers.read(first..first + u64::from(length) / BLOCK_SIZE, &mut buffer)?;
        Ok(buffer)
    }

    /// Bytes that some image, or the backing file, holds.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data.iter().map(|blocks| (blocks.end - blocks.start) * BLOCK_SIZE).sum()
    }
}

impl ImageSource for LayerReader {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_data(&mut self, from: u64) -> Result<Option<(u64, u64)>, SourceError> {
        let index = self.data.partition_point(|blocks| blocks.end * BLOCK_SIZE <= from);
        let found = self.data.get(index).map(|blocks| {
            let start = (blocks.start * BLOCK_SIZE).max(from);
            (start, blocks.end * BLOCK_SIZE - start)
        });
        Ok(found)
    }

    /// The size of every readable layer is one of whole blocks, and so is what is asked for.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let first = offset / BLOCK_SIZE;
        Ok(self.layers.read(first..first + buffer.len() as u64 / BLOCK_SIZE, buffer)?)
    }
}

impl Structure {
    /// File names of what a layer stands on, itself first.
    ///
    /// # Errors
    /// [`OfflineError::NoSnapshot`], [`OfflineError::SnapshotRemoved`], or [`OfflineError::Damaged`].
    pub(crate) fn chain(&self, survey: &Survey, wanted: &Wanted) -> Result<&[String], OfflineError> {
        let (image, layer) = match wanted {
            Wanted::Head => (survey.head().unwrap_or_default().to_owned(), "the head".to_owned()),
            Wanted::Snapshot(name) => (names::snapshot_image(name)?, format!("snapshot {name:?}")),
        };
        if let Wanted::Snapshot(name) = wanted {
            let known = self.readable(survey);
            if !survey.layers.contains_key(&image) {
                return Err(OfflineError::NoSnapshot { dir: survey.path().to_path_buf(), name: name.clone(), known });
            }
            if survey.records.get(&image).is_some_and(|record| record.removed) {
                return Err(OfflineError::SnapshotRemoved { name: name.clone(), known });
            }
        }
        let why = match self.chains.get(&image) {
            Some(Ok(chain)) => return Ok(chain),
            Some(Err(why)) => why.clone(),
            None if image.is_empty() => "no head can be told: volume.meta is damaged".to_owned(),
            None => format!("{image}, which volume.meta names as the head, is missing"),
        };
        Err(OfflineError::Damaged { layer, why, readable: self.readable(survey) })
    }

    /// What can be read, for people: `the head; snapshots a, b`.
    #[must_use]
    pub fn readable(&self, survey: &Survey) -> String {
        let snapshots = self.readable_snapshots(survey);
        let snapshots = match snapshots.len() {
            0 => None,
            1 => Some(format!("snapshot {}", snapshots[0])),
            _ => Some(format!("snapshots {}", snapshots.join(", "))),
        };
        let head = self.head_is_readable(survey).then(|| "the head".to_owned());
        let parts: Vec<String> = head.into_iter().chain(snapshots).collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(" and ") }
    }

    /// Whether what the volume holds now can be read.
    #[must_use]
    pub fn head_is_readable(&self, survey: &Survey) -> bool {
        survey.head().is_some_and(|head| matches!(self.chains.get(head), Some(Ok(_))))
    }

    /// Names of the snapshots that can be read, sorted.
    #[must_use]
    pub fn readable_snapshots(&self, survey: &Survey) -> Vec<String> {
        let readable = self.chains.iter().filter(|(_, chain)| chain.is_ok()).map(|(image, _)| image);
        let shown = readable.filter(|image| survey.records.get(image).is_some_and(|record| !record.removed));
        shown.filter_map(|image| names::snapshot_of(image).map(str::to_owned)).collect()
    }
}
