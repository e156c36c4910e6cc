//! What is known of one layer: its image, its metadata, or what is wrong with them.

use std::fs;
use std::io;

use crate::disk::DiskError;
use crate::replica::ReplicaError;
use crate::replica::directory::{Directory, FileIdentity};
use crate::replica::metadata::LayerMeta;
use crate::replica::names;

/// An image and what belongs to it. One of the two may be missing.
#[derive(Clone, Debug)]
pub(crate) struct LayerFacts {
    pub(crate) image: ImageFacts,
    pub(crate) meta: MetaFacts,
}

#[derive(Clone, Debug)]
pub(crate) enum ImageFacts {
    Missing,
    /// A directory, a symbolic link, a device.
    NotAFile,
    File {
        size: u64,
        identity: FileIdentity,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum MetaFacts {
    Missing,
    Corrupt { why: String },
    Read(LayerMeta),
}

impl LayerFacts {
    pub(crate) fn read(directory: &Directory, image: &str) -> Result<Self, ReplicaError> {
        Ok(Self { image: ImageFacts::read(directory, image)?, meta: MetaFacts::read(directory, image)? })
    }

    /// Apparent size in bytes, if there is a file.
    pub(crate) fn size(&self) -> Option<u64> {
        match self.image {
            ImageFacts::File { size, .. } => Some(size),
            _ => None,
        }
    }
}

impl ImageFacts {
    fn read(directory: &Directory, image: &str) -> Result<Self, ReplicaError> {
        let path = directory.file(image);
        let facts = match fs::symlink_metadata(&path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Missing),
            Err(error) => return Err(DiskError::at("look at", &path)(error).into()),
        };
        match directory.identity(image)? {
            Some(identity) if facts.is_file() => Ok(Self::File { size: facts.len(), identity }),
            Some(_) => Ok(Self::NotAFile),
            None => Ok(Self::Missing),
        }
    }
}

impl MetaFacts {
    fn read(directory: &Directory, image: &str) -> Result<Self, ReplicaError> {
        let file = names::meta_of(image);
        let Some(text) = directory.read(&file)? else { return Ok(Self::Missing) };
        match LayerMeta::decode(&file, &text) {
            Ok(meta) => Ok(Self::Read(meta)),
            Err(error) => Ok(Self::Corrupt { why: reason(&error) }),
        }
    }
}

/// The reason alone: the remedy that the whole message ends with is one for a replica that has to run.
pub(crate) fn reason(error: &ReplicaError) -> String {
    match error {
        ReplicaError::Corrupt { file, why } => format!("{file}: {why}"),
        other => other.to_string(),
    }
}
