//! What crashes leave behind, and how the next open tells it from data.
//!
//! | stray | left by | what is done |
//! |---|---|---|
//! | `*.meta.tmp`, `aurochs.state.tmp`, `revision.counter.tmp` | a crash while a small file was replaced | removed |
//! | a snapshot's name on the file that is the head | a snapshot before `volume.meta` was replaced | the name is removed: the head would go on changing it |
//! | another head, empty or also known under a snapshot's name | a snapshot or revert, before or after `volume.meta` was replaced | the name is removed: no data goes with it |
//! | another head with data of its own | a revert after `volume.meta` was replaced; or a person's hand | left alone, not used |
//! | `*.img.tmp`, another name of a layer | a purge before the name was renamed over its child's | the name is removed |
//! | metadata of a removed layer on which nothing stands, without its image | a deletion | removed |
//! | other metadata off the live chain without its image | a person's hand | ignored |

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
            Self { files: listing.iter().filter(|file| is_tmp(file)).cloned().collect(), ..Self::default() };
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
        found.add_second_names(directory, listing)?;
        found.add_deleted_leaves(listing, records);
        records.0.retain(|image, _| image == head || !names::is_head(image));
        Ok(found)
    }

    /// A file without another name is none of a purge's, whatever it is called.
    fn add_second_names(&mut self, directory: &Directory, listing: &[String]) -> Result<(), ReplicaError> {
        let is_of_image =
            |file: &&String| file.strip_suffix(names::TMP_SUFFIX).is_some_and(|file| file.ends_with(".img"));
        for file in listing.iter().filter(is_of_image) {
            if directory.identity(file)?.is_some_and(|identity| identity.names > 1) {
                self.files.push(file.clone());
            }
        }
        Ok(())
    }

    fn add_deleted_leaves(&mut self, listing: &[String], records: &mut Records) {
        let is_gone = |image: &&String| listing.binary_search(image).is_err() && !records.has_children(image);
        let removed = records.0.iter().filter(|(_, record)| record.removed).map(|(image, _)| image);
        let gone: Vec<String> = removed.filter(is_gone).cloned().collect();
        for image in gone {
            records.0.remove(&image);
            self.files.extend([names::checksum_of(&image), names::meta_of(&image)]);
        }
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

fn is_tmp(file: &str) -> bool {
    file.strip_suffix(names::TMP_SUFFIX).is_some_and(|target| {
        target.ends_with(names::META_SUFFIX) || target == names::STATE_FILE || target == names::REVISION_COUNTER
    })
}
