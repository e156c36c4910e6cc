//! How the layers stand on each other, which of them can be read, and why the others can't.

use std::collections::BTreeMap;

use super::finding::{Finding, FindingKind};
use super::layer::{ImageFacts, LayerFacts, MetaFacts, reason};
use super::state::Content;
use super::survey::{Survey, VolumeFacts};
use crate::replica::ReplicaError;
use crate::replica::chain::LONGEST_CHAIN;
use crate::replica::delete::is_layer_file;
use crate::replica::extent_map::Blocks;
use crate::replica::names;

/// A directory of its own that `mkfs` makes.
const LOST_AND_FOUND: &str = "lost+found";
/// The judgement over a directory.
#[derive(Debug)]
pub struct Structure {
    pub findings: Vec<Finding>,
    /// Every layer with its chain, itself first, or the reason why it cannot be read.
    pub(crate) chains: BTreeMap<String, Result<Vec<String>, String>>,
    /// Blocks of the head that were being written when the replica stopped: they show what lies below.
    pub(crate) unfinished: Vec<Blocks>,
}

impl Structure {
    /// Judges what was found. Reads no data, and extent maps only where writes may have ended half-way.
    #[must_use]
    pub fn of(survey: &Survey) -> Self {
        let mut judge = Judge { survey, findings: Vec::new(), broken: BTreeMap::new() };
        judge.volume();
        judge.small_files();
        for (image, facts) in &survey.layers {
            judge.layer(image, facts);
        }
        judge.sizes();
        judge.shared_images();
        judge.strays();
        judge.writers();
        let chains = judge.chains();
        let unfinished = judge.unfinished(&chains);
        let mut findings = judge.findings;
        findings.sort_by(|a, b| (a.severity, a.kind, &a.file).cmp(&(b.severity, b.kind, &b.file)));
        Self { findings, chains, unfinished }
    }
}

pub(super) struct Judge<'survey> {
    pub(super) survey: &'survey Survey,
    findings: Vec<Finding>,
    /// Layers whose own files cannot be trusted, and why.
    broken: BTreeMap<String, String>,
}

impl Judge<'_> {
    pub(super) fn find(&mut self, kind: FindingKind, file: &str, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding::new(kind, file, what, advice));
    }

    pub(super) fn breaks(&mut self, image: &str, kind: FindingKind, file: &str, what: String, advice: &str) {
        self.broken.entry(image.to_owned()).or_insert_with(|| format!("{file}: {what}"));
        self.find(kind, file, what, advice);
    }

    fn volume(&mut self) {
        let survey = self.survey;
        let meta = match &survey.volume {
            VolumeFacts::Recorded(meta) => meta,
            VolumeFacts::Guessed { meta, why } => {
                let kind = if why.contains("missing or empty") {
                    FindingKind::VolumeMetaMissing
                } else {
                    FindingKind::VolumeMetaCorrupt
                };
                let advice = format!(
                    "the head image tells that the volume has {} bytes; whether it had a backing file is not known any \
                     more, and without it blocks that were never written read as zeros",
                    meta.size
                );
                self.find(kind, names::VOLUME_META, why, advice);
                meta
            }
            VolumeFacts::Unknown { why } => {
                let advice = "the head cannot be told; snapshots with intact chains can still be exported";
                self.find(FindingKind::VolumeMetaCorrupt, names::VOLUME_META, why, advice);
                return;
            }
        };
        if !survey.layers.contains_key(&meta.head) {
            let what = "volume.meta names it as the head, and neither the image nor its metadata is there";
            let advice = "what was written after the last snapshot is lost; the snapshots can still be exported";
            self.find(FindingKind::HeadMissing, &meta.head, what, advice);
        }
        if let Some(head) = survey.records.get(&meta.head)
            && head.parent != meta.parent
        {
            let what =
                format!("it names {:?} as the head's parent, and the head's metadata {:?}", meta.parent, head.parent);
            let advice =
                "the head's metadata counts; nothing needs to be done unless the head is not what was expected";
            self.find(FindingKind::ParentMismatch, names::VOLUME_META, what, advice);
        }
        if meta.rebuilding && survey.listing.iter().any(|file| file == names::REMOTE_FILE) {
            let what = "parts of the volume are still in a backup, which it was being restored from while in use";
            let advice = "attach the volume until all of it is here; what is in the backup can be restored from there";
            self.find(FindingKind::Rebuilding, names::REMOTE_FILE, what, advice);
        } else if meta.rebuilding {
            let what = "the replica was being rebuilt, so any of its layers may lack data";
            let advice = "use another replica of the volume; if there is none, copy the directory and set Rebuilding to \
                          false in the copy's volume.meta to read what has arrived";
            self.find(FindingKind::Rebuilding, names::VOLUME_META, what, advice);
        }
        if meta.dirty {
            let what = "the replica was not closed: its process was killed, or the node went down";
            let advice = "what was flushed is there; other replicas of the volume may differ in what was in flight";
            self.find(FindingKind::NotClosed, names::VOLUME_META, what, advice);
        }
        if !meta.error.is_empty() {
            self.find(FindingKind::VolumeError, names::VOLUME_META, format!("it holds the error {:?}", meta.error), "");
        }
    }

    fn small_files(&mut self) {
        let small = &self.survey.small_files;
        if let Content::Unreadable { why } = &small.revision_counter {
            let advice =
                "no data depends on it; write the number 0 and 4095 NUL bytes to it to let Longhorn open the replica";
            self.find(FindingKind::RevisionCounter, names::REVISION_COUNTER, why, advice);
        }
        if let Content::Unreadable { why } = &small.fence {
            let advice = "no data depends on it; a replica that starts without it trusts every engine, so make sure that \
                          only one can run before it is removed";
            self.find(FindingKind::State, names::STATE_FILE, why, advice);
        }
        if let Content::Unreadable { why } = &small.backing_file {
            let advice =
                "every layer needs it; put the file back at this path, or write its new path into BackingFilePath";
            self.find(FindingKind::BackingFile, names::VOLUME_META, why, advice);
        }
    }

    fn layer(&mut self, image: &str, facts: &LayerFacts) {
        if self.survey.is_other_head(image) {
            self.broken.insert(image.to_owned(), format!("{image} is not the head of this volume"));
            return;
        }
        let is_head = self.survey.head() == Some(image);
        let child = self.survey.records.0.iter().find(|(_, record)| record.parent == image).map(|(child, _)| child);
        match &facts.image {
            ImageFacts::File { .. } => {}
            ImageFacts::NotAFile => {
                let what = "it is a directory, a link or a device, and has to be a plain file".to_owned();
                self.breaks(image, FindingKind::ImageNotAFile, image, what, "put the image itself in its place");
            }
            ImageFacts::Missing if is_head => {
                let advice = "what was written after the last snapshot is lost; the snapshots can still be exported";
                self.breaks(image, FindingKind::HeadMissing, image, "the head image is missing".to_owned(), advice);
            }
            ImageFacts::Missing if child.is_some() => {
                let advice = "everything above it lacks its data; rebuild from another replica, or restore a backup";
                self.breaks(image, FindingKind::ImageMissing, image, "the image is missing".to_owned(), advice);
            }
            ImageFacts::Missing if is_live(facts) && !self.survey.leftovers.images.iter().any(|left| left == image) => {
                let advice = "put the file back, or rebuild from another replica; what it stands on is kept for it, also \
                              by a purge, until the snapshot is removed";
                self.breaks(image, FindingKind::ImageMissing, image, "the image is missing".to_owned(), advice);
            }
            ImageFacts::Missing => {
                self.broken.insert(image.to_owned(), format!("{image} is missing"));
                let what = "metadata without an image, as an interrupted deletion leaves it";
                self.find(FindingKind::Leftover, &names::meta_of(image), what, "");
            }
        }
        let meta = names::meta_of(image);
        match (&facts.meta, child) {
            (MetaFacts::Read(_), _) => {}
            (MetaFacts::Corrupt { why }, _) => {
                let why = why.strip_prefix(&format!("{meta}: ")).unwrap_or(why).to_owned();
                let advice = "the image beside it may be sound; copy this file from another replica of the volume";
                self.breaks(image, FindingKind::LayerMetaCorrupt, &meta, why, advice);
            }
            (MetaFacts::Missing, Some(child)) => {
                let what = format!("it is missing, and {child} stands on this layer");
                let advice = "the image beside it may be sound; copy this file from another replica of the volume";
                self.breaks(image, FindingKind::LayerMetaMissing, &meta, what, advice);
            }
            (MetaFacts::Missing, None) if is_head => {
                let advice =
                    "what was written after the last snapshot is in the image; copy this file from another replica";
                self.breaks(image, FindingKind::LayerMetaMissing, &meta, "it is missing".to_owned(), advice);
            }
            (MetaFacts::Missing, None) => {
                let what = "an image without metadata: nobody knows what it stood on".to_owned();
                let advice =
                    "an interrupted deletion leaves it, then it can go; else copy its metadata from another replica";
                self.breaks(image, FindingKind::ImageWithoutMeta, image, what, advice);
            }
        }
    }

    fn shared_images(&mut self) {
        let mut seen = Vec::new();
        for (image, facts) in &self.survey.layers {
            if let ImageFacts::File { identity, .. } = facts.image
                && identity.names > 1
            {
                seen.push((image, identity));
            }
        }
        for (index, (image, identity)) in seen.iter().enumerate() {
            for (other, _) in seen[index + 1..].iter().filter(|(_, other)| other.same_file(identity)) {
                let what = format!("it is the same file as {other}, as an interrupted purge or snapshot leaves it");
                let advice = "both read the same; start the replica and purge again to finish it";
                self.find(FindingKind::SharedImage, image, what, advice);
            }
        }
    }

    fn strays(&mut self) {
        let survey = self.survey;
        for image in &survey.leftovers.images {
            let what = "an interrupted snapshot or revert left it; no data goes with it";
            self.find(FindingKind::Leftover, image, what, "the next start of the replica removes it");
        }
        for file in &survey.leftovers.files {
            let what = "an interrupted change left it";
            self.find(FindingKind::Leftover, file, what, "the next start of the replica removes it");
        }
        for image in &survey.leftovers.unused_heads {
            let what = "a head that is not this volume's, with data of its own; it is not read";
            let advice = "a revert that broke off leaves it; move it away if what was written before is not wanted";
            self.find(FindingKind::OtherHead, image, what, advice);
        }
        for file in survey.listing.iter().filter(|file| !belongs(survey, file)) {
            if is_layer_file(file) {
                let what = "a rebuild, a restore or a hash that broke off left it";
                self.find(FindingKind::Leftover, file, what, "it is not read; it can be removed");
            } else {
                let advice =
                    "it is not read and stops nothing, but a deletion of the replica leaves the directory behind";
                self.find(FindingKind::ForeignFile, file, "no replica has a file of this name", advice);
            }
        }
    }

    fn writers(&mut self) {
        for writer in &self.survey.writers {
            let what = format!("{} has it open for writing", writer.occupant);
            let advice = "what is read meanwhile may be a mixture; stop that process to be sure";
            self.findings.push(Finding::new(FindingKind::OpenElsewhere, &writer.file, what, advice));
        }
    }

    /// The chain of every layer, and findings for chains that cannot be followed.
    fn chains(&mut self) -> BTreeMap<String, Result<Vec<String>, String>> {
        let survey = self.survey;
        let mut chains = BTreeMap::new();
        let mut seen = Vec::new();
        for image in survey.layers.keys() {
            let chain = match (self.broken.get(image), survey.records.chain_from(image)) {
                (Some(why), _) => Err(why.clone()),
                (None, Ok(chain)) => self.whole(chain),
                (None, Err(error)) => {
                    if !seen.contains(&error.to_string()) {
                        self.broken_chain(image, &error);
                        seen.push(error.to_string());
                    }
                    Err(self.cause(&error))
                }
            };
            chains.insert(image.clone(), chain);
        }
        chains
    }

    /// What no layer can do without.
    fn whole(&self, chain: Vec<String>) -> Result<Vec<String>, String> {
        let survey = self.survey;
        if survey.volume.meta().is_some_and(|meta| meta.rebuilding) {
            return Err("the replica was being rebuilt and is not complete".to_owned());
        }
        if let Content::Unreadable { why } = &survey.small_files.backing_file {
            return Err(format!("the backing file cannot be used: {why}"));
        }
        match chain.iter().find_map(|layer| self.broken.get(layer)) {
            Some(why) => Err(why.clone()),
            None => Ok(chain),
        }
    }

    /// A missing record was told with its layer already, unless nothing at all is left of the layer.
    fn broken_chain(&mut self, image: &str, error: &ReplicaError) {
        let why = reason(error);
        match error {
            ReplicaError::ChainTooLong { count, .. } => {
                let what = format!("its chain has {count} images, and at most {LONGEST_CHAIN} can be opened");
                let advice = "export an older snapshot, or remove and purge snapshots with the engine that made them";
                self.find(FindingKind::ChainTooLong, image, what, advice);
            }
            ReplicaError::Corrupt { file, .. } if why.contains("comes back to itself") => {
                let advice = "a Parent was changed by hand; copy the metadata from another replica of the volume";
                self.find(FindingKind::Circle, file, "its chain of parents comes back to itself", advice);
            }
            ReplicaError::Corrupt { file, why } => {
                let known = names::image_of_meta(file).is_some_and(|image| self.survey.layers.contains_key(image));
                if !known {
                    let advice = "nothing of this layer is left; rebuild from another replica, or restore a backup";
                    self.find(FindingKind::LayerMetaMissing, file, why, advice);
                }
            }
            _ => {}
        }
    }

    /// Metadata that is there and cannot be read looks like a missing one to the chain.
    fn cause(&self, error: &ReplicaError) -> String {
        let image = match error {
            ReplicaError::Corrupt { file, .. } => names::image_of_meta(file),
            _ => None,
        };
        image.and_then(|image| self.broken.get(image)).cloned().unwrap_or_else(|| reason(error))
    }
}

/// Whether its metadata says that somebody may want the layer.
fn is_live(facts: &LayerFacts) -> bool {
    matches!(&facts.meta, MetaFacts::Read(meta) if !meta.removed)
}

/// Whether a file of this name has its place in the directory.
fn belongs(survey: &Survey, file: &str) -> bool {
    let of_layers = || {
        let images = survey.layers.keys().chain(&survey.leftovers.images);
        images.flat_map(|image| [image.clone(), names::meta_of(image), names::checksum_of(image)])
    };
    [names::VOLUME_META, names::REVISION_COUNTER, names::STATE_FILE, names::REGIONS_FILE, LOST_AND_FOUND]
        .contains(&file)
        || crate::replica::sums::is_file_of_sums(file)
        || survey.leftovers.files.iter().any(|left| left == file)
        || of_layers().any(|known| known == file)
}
