//! Everything about a directory in one value: what `inspect --json` prints.
//!
//! Keys stay as they are; new ones may come. Sizes are in bytes, times as the files hold them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checksum::{self, ChecksumDescription};
use super::finding::Finding;
use super::layer::{ImageFacts, LayerFacts, MetaFacts};
use super::state::SmallFiles;
use super::structure::Structure;
use super::survey::{Survey, VolumeFacts};
use crate::replica::metadata::VolumeMeta;
use crate::replica::names;

/// A replica directory.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The path as it was given.
    pub directory: String,
    /// `volume.meta`; `null` where no head can be told.
    pub volume: Option<VolumeDescription>,
    /// `revision.counter`; `null` where it is not kept.
    pub revision_counter: Option<u64>,
    /// `aurochs.state`; `null` where no engine of Aurochs has served the directory.
    pub aurochs_state: Option<EngineMemory>,
    /// `null` where the volume has none.
    pub backing_file: Option<BackingDescription>,
    /// File names of the live chain, the head first; `null` where it cannot be followed.
    pub chain: Option<Vec<String>>,
    /// Every layer by file name, those of other branches too.
    pub layers: Vec<LayerDescription>,
    /// Files that interrupted changes left.
    pub leftovers: Vec<String>,
    /// What `export` can read: whether the head, and which snapshots.
    pub exportable: Exportable,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// The fields of `volume.meta`.
#[derive(Clone, Debug, Serialize)]
pub struct VolumeDescription {
    /// `false`: `volume.meta` does not say it; these are guesses from the head image.
    pub recorded: bool,
    pub size_bytes: u64,
    pub head: String,
    pub parent: String,
    /// Not closed properly.
    pub dirty: bool,
    pub rebuilding: bool,
    pub error: String,
    pub sector_size: u64,
    pub encrypted: bool,
}

/// What the directory remembers of engines.
#[derive(Clone, Debug, Serialize)]
pub struct EngineMemory {
    /// Highest epoch seen.
    pub epoch: u64,
    /// Last generation told in that epoch.
    pub generation: u64,
    /// The host's boot id when the replica was last known to hold everything.
    pub boot_id: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BackingDescription {
    /// As `volume.meta` has it.
    pub recorded_path: String,
    /// `raw` or `qcow2`; `null` where the file cannot be used.
    pub format: Option<String>,
    /// Of its content.
    pub size_bytes: Option<u64>,
}

/// One layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerDescription {
    pub file_name: String,
    /// The snapshot's name; `null` for a head.
    pub snapshot: Option<String>,
    pub is_head: bool,
    /// Whether the volume as it is now stands on it.
    pub in_chain: bool,
    /// File name of the layer below, empty for the root; `null` where the metadata cannot be read.
    pub parent: Option<String>,
    /// Apparent size; `null` where the image is missing.
    pub size_bytes: Option<u64>,
    /// Storage that the image takes.
    pub allocated_bytes: Option<u64>,
    /// Marked as removed: no snapshot for users any more.
    pub removed: bool,
    pub user_created: bool,
    /// RFC 3339, UTC; empty where it is not recorded.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    /// Longhorn's checksum of the image; `null` where it was never taken.
    pub checksum: Option<ChecksumDescription>,
    pub readable: bool,
    /// Why it is not; empty where it is.
    pub unreadable_because: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Exportable {
    pub head: bool,
    pub snapshots: Vec<String>,
}

impl Description {
    /// Puts the facts and the judgement together.
    #[must_use]
    pub fn of(survey: &Survey, structure: &Structure) -> Self {
        let chain = survey.head().and_then(|head| survey.records.chain_from(head).ok());
        let in_chain = |image: &str| chain.iter().flatten().any(|layer| layer == image);
        let layers = survey.layers.iter().map(|(image, facts)| LayerDescription {
            is_head: survey.head() == Some(image),
            in_chain: in_chain(image),
            checksum: checksum::beside(survey, image).describe(),
            ..describe_layer(image, facts, structure)
        });
        Self {
            directory: survey.path().display().to_string(),
            volume: describe_volume(&survey.volume),
            revision_counter: survey.small_files.revision_counter.value().copied(),
            aurochs_state: describe_state(&survey.small_files),
            backing_file: survey.volume.meta().and_then(|meta| describe_backing(meta, &survey.small_files)),
            layers: layers.collect(),
            leftovers: [&survey.leftovers.images[..], &survey.leftovers.files[..]].concat(),
            exportable: Exportable {
                head: structure.head_is_readable(survey),
                snapshots: structure.readable_snapshots(survey),
            },
            findings: structure.findings.clone(),
            chain,
        }
    }
}

fn describe_volume(volume: &VolumeFacts) -> Option<VolumeDescription> {
    let meta = volume.meta()?;
    Some(VolumeDescription {
        recorded: matches!(volume, VolumeFacts::Recorded(_)),
        size_bytes: meta.size,
        head: meta.head.clone(),
        parent: meta.parent.clone(),
        dirty: meta.dirty,
        rebuilding: meta.rebuilding,
        error: meta.error.clone(),
        sector_size: meta.sector_size,
        encrypted: meta.encrypted,
    })
}

fn describe_state(small: &SmallFiles) -> Option<EngineMemory> {
    small.fence.value().map(|fence| EngineMemory {
        epoch: fence.epoch,
        generation: fence.generation,
        boot_id: fence.previous_boot_id.clone(),
    })
}

fn describe_backing(meta: &VolumeMeta, small: &SmallFiles) -> Option<BackingDescription> {
    let recorded_path = Some(meta.backing_file_path.clone()).filter(|path| !path.is_empty())?;
    let facts = small.backing_file.value();
    Some(BackingDescription {
        recorded_path,
        format: facts.map(|facts| facts.format.to_string()),
        size_bytes: facts.map(|facts| facts.size),
    })
}

fn describe_layer(image: &str, facts: &LayerFacts, structure: &Structure) -> LayerDescription {
    let meta = match &facts.meta {
        MetaFacts::Read(meta) => Some(meta),
        _ => None,
    };
    let allocated_bytes = match facts.image {
        ImageFacts::File { identity, .. } => Some(identity.allocated_bytes),
        _ => None,
    };
    let unreadable_because = match structure.chains.get(image) {
        Some(Err(why)) => why.clone(),
        _ => String::new(),
    };
    LayerDescription {
        file_name: image.to_owned(),
        snapshot: names::snapshot_of(image).map(str::to_owned),
        is_head: false,
        in_chain: false,
        parent: meta.map(|meta| meta.parent.clone()),
        size_bytes: facts.size(),
        allocated_bytes,
        removed: meta.is_some_and(|meta| meta.removed),
        user_created: meta.is_some_and(|meta| meta.user_created),
        created: meta.map(|meta| meta.created.clone()).unwrap_or_default(),
        labels: meta.and_then(|meta| meta.labels.clone()).unwrap_or_default(),
        checksum: None,
        readable: unreadable_because.is_empty(),
        unreadable_because,
    }
}
