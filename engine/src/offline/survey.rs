//! Gathering the facts of a directory, with as little judgement as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::OfflineError;
use super::layer::{LayerFacts, MetaFacts, reason};
use super::occupant::{self, Writer};
use super::state::SmallFiles;
use crate::replica::ReplicaError;
use crate::replica::chain::Records;
use crate::replica::directory::Directory;
use crate::replica::leftovers::Leftovers;
use crate::replica::metadata::VolumeMeta;
use crate::replica::names;
use crate::replica::open::{MetaOrigin, guess_volume_meta, read_volume_meta};

/// A directory that is looked at. Nobody can take it as long as this lives.
#[derive(Debug)]
pub struct Survey {
    pub(crate) directory: Directory,
    /// Names of all files, sorted.
    pub(crate) listing: Vec<String>,
    pub(crate) volume: VolumeFacts,
    /// By the file name of the image; the strays that the next open removes are not among them.
    pub(crate) layers: BTreeMap<String, LayerFacts>,
    /// The layers whose metadata could be read.
    pub(crate) records: Records,
    pub(crate) leftovers: Leftovers,
    pub(crate) small_files: SmallFiles,
    pub(crate) writers: Vec<Writer>,
}

/// What the whole volume is.
#[derive(Clone, Debug)]
pub(crate) enum VolumeFacts {
    Recorded(VolumeMeta),
    /// From the one head image there is. What the image cannot tell is unknown: whether there was a backing file.
    Guessed {
        meta: VolumeMeta,
        why: String,
    },
    /// No head can be named.
    Unknown {
        why: String,
    },
}

impl VolumeFacts {
    pub(crate) fn meta(&self) -> Option<&VolumeMeta> {
        match self {
            Self::Recorded(meta) | Self::Guessed { meta, .. } => Some(meta),
            Self::Unknown { .. } => None,
        }
    }

    fn read(directory: &Directory, listing: &[String]) -> Self {
        let error = match read_volume_meta(directory, listing) {
            Ok((meta, MetaOrigin::Recorded)) => return Self::Recorded(meta),
            Ok((meta, MetaOrigin::Guessed)) => return Self::Guessed { meta, why: "it is missing or empty".to_owned() },
            Err(error) => error,
        };
        match guess_volume_meta(directory, listing) {
            Ok(meta) => Self::Guessed { meta, why: bare(&error) },
            Err(_) => Self::Unknown { why: bare(&error) },
        }
    }
}

/// Why `volume.meta` does not do, without its name.
fn bare(error: &ReplicaError) -> String {
    match error {
        ReplicaError::Corrupt { file, why } if file == names::VOLUME_META => why.clone(),
        ReplicaError::NotFound { .. } => "it is missing or empty, and no head image is there to tell".to_owned(),
        other => reason(other),
    }
}

impl Survey {
    /// Takes `dir` for looking and reads its small files. No image is read.
    ///
    /// # Errors
    /// There is no such directory, it is in use, it holds nothing of a replica, or a file cannot be read at all.
    pub fn of(dir: &Path) -> Result<Self, OfflineError> {
        if !dir.is_dir() {
            return Err(OfflineError::NoDirectory { dir: dir.to_path_buf() });
        }
        let directory = take(dir)?;
        let listing = directory.list()?;
        let images = images(&listing);
        if images.is_empty() && !listing.iter().any(|file| file == names::VOLUME_META) {
            return Err(OfflineError::NoReplica { dir: dir.to_path_buf() });
        }
        let volume = VolumeFacts::read(&directory, &listing);
        let mut layers = BTreeMap::new();
        for image in images {
            layers.insert(image.clone(), LayerFacts::read(&directory, &image)?);
        }
        let mut records = readable_records(&layers);
        let leftovers = strays(&directory, &listing, &volume, &layers, &mut records)?;
        layers.retain(|image, _| !leftovers.images.contains(image));
        let small_files = SmallFiles::read(&directory, &listing, &volume);
        let writers = occupant::writers(dir);
        Ok(Self { directory, listing, volume, layers, records, leftovers, small_files, writers })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether this is a head that the volume does not use.
    pub(crate) fn is_other_head(&self, image: &str) -> bool {
        self.leftovers.unused_heads.iter().any(|other| other == image)
    }

    /// File name of the head image, if one can be named.
    pub(crate) fn head(&self) -> Option<&str> {
        self.volume.meta().map(|meta| meta.head.as_str())
    }
}

fn take(dir: &Path) -> Result<Directory, OfflineError> {
    match Directory::look(dir) {
        Err(ReplicaError::InUse { dir }) => {
            let holder = occupant::lock_holder(&dir);
            let user = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            Err(OfflineError::InUse { dir, user })
        }
        outcome => Ok(outcome?),
    }
}

/// Every image that is there or that metadata speaks of.
fn images(listing: &[String]) -> BTreeSet<String> {
    let is_layer = |image: &&str| names::is_head(image) || names::snapshot_of(image).is_some();
    let of_metas = listing.iter().filter_map(|file| names::image_of_meta(file));
    let own = listing.iter().map(String::as_str).filter(is_layer);
    of_metas.chain(own).map(str::to_owned).collect()
}

fn readable_records(layers: &BTreeMap<String, LayerFacts>) -> Records {
    let readable = layers.iter().filter_map(|(image, facts)| match &facts.meta {
        MetaFacts::Read(meta) => Some((image.clone(), meta.clone())),
        _ => None,
    });
    Records::of(readable.collect())
}

/// Without a head, nothing can be said about images: then none of them counts as a stray. Nor does one with metadata
/// that cannot be read, or that another layer stands on; a replica would not open, and so not tidy up.
fn strays(
    directory: &Directory,
    listing: &[String],
    volume: &VolumeFacts,
    layers: &BTreeMap<String, LayerFacts>,
    records: &mut Records,
) -> Result<Leftovers, ReplicaError> {
    let Some(meta) = volume.meta() else {
        let found = Leftovers::find(directory, listing, "", &mut Records::default())?;
        return Ok(Leftovers { images: Vec::new(), unused_heads: Vec::new(), ..found });
    };
    let mut found = Leftovers::find(directory, listing, &meta.head, records)?;
    let is_corrupt =
        |image: &str| layers.get(image).is_some_and(|facts| matches!(facts.meta, MetaFacts::Corrupt { .. }));
    found.images.retain(|image| !is_corrupt(image) && !records.has_children(image));
    Ok(found)
}
