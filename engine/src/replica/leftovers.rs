//! What crashes leave behind, and how the next open tells it from data.
//!
//! | stray | left by | what is done |
//! |---|---|---|
//! | `*.meta.tmp`, `*.checksum..tmp`, `aurochs.state.tmp`, `revision.counter.tmp` | a crash while a small file was replaced | removed |
//! | a snapshot's name on the file that is the head | a snapshot before `volume.meta` was replaced | the name is removed: the head would go on changing it |
//! | another head, empty or also known under a snapshot's name | a snapshot or revert, before or after `volume.meta` was replaced | the name is removed: no data goes with it |
//! | another head with data of its own | a revert after `volume.meta` was replaced; or a person's hand | left alone, not used |
//! | metadata off the live chain without its image | a deletion | ignored |

use super::chain::Records;
use super::directory::Directory;
use super::error::ReplicaError;
use super::names;

/// What is to be removed once the directory is known to be sound and ours.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    images: Vec<String>,
    files: Vec<String>,
}

impl Leftovers {
    /// Finds strays and takes them out of `records`. Changes nothing in the directory.
    pub(super) fn find(
        directory: &Directory,
        listing: &[String],
        head: &str,
        records: &mut Records,
    ) -> Result<Self, ReplicaError> {
        let mut found =
            Self { files: listing.iter().filter(|file| names::is_tmp(file)).cloned().collect(), ..Self::default() };
        let head_identity = directory.identity(head)?;
        for image in listing.iter().filter(|file| file.ends_with(".img") && *file != head) {
            let Some(identity) = directory.identity(image)? else {
                continue;
            };
            if names::is_head(image) {
                records.0.remove(image);
                if identity.names > 1 || identity.allocated_bytes == 0 {
                    found.images.push(image.clone());
                } else {
                    tracing::warn!(image, directory = %directory.path().display(),
                        "an image that is not the head of this replica holds data; it is not used, remove it if it is not wanted");
                }
            } else if head_identity.is_some_and(|head| head.same_file(&identity)) {
                records.0.remove(image);
                found.images.push(image.clone());
            }
        }
        records.0.retain(|image, _| image == head || !names::is_head(image));
        Ok(found)
    }

    pub(super) fn remove(&self, directory: &Directory) -> Result<(), ReplicaError> {
        for image in &self.images {
            tracing::info!(image, directory = %directory.path().display(), "removing what an interrupted change left");
            directory.remove_layer(image)?;
        }
        for file in &self.files {
            directory.remove(file)?;
        }
        if self.images.is_empty() && self.files.is_empty() { Ok(()) } else { directory.sync() }
    }
}
