//! What crashes leave behind, and how the next open tells it from data.
//!
//! | stray | left by | what is done |
//! |---|---|---|
//! | `*.meta.tmp`, `*.checksum..tmp`, `aurochs.state.tmp`, `aurochs.remote.tmp`, `aurochs.regions.tmp`, `revision.counter.tmp` | a crash while a small file was replaced | removed |
//! | a snapshot's name on the file that is the head | a snapshot before `volume.meta` was replaced | the name is removed: the head would go on changing it |
//! | `aurochs.remote` where `volume.meta` does not say `Rebuilding` | a map of blocks in a backup that came or went | removed (`remote_map`) |
//! | another head, empty or also known under a name that stays: a snapshot's, or the head's | a snapshot or revert, before or after `volume.meta` was replaced | the name is removed: no data goes with it |
//! | an empty image without metadata | a rebuild that was making its layers | removed |
//! | another head, or an image without metadata, also known as `<image>.abandoned` | a revert, removal or rebuild that had begun to throw data away | removed, and then the mark: it was given up on purpose (`abandon`) |
//! | `<image>.abandoned` of a layer, or alone | the same, before or after that | removed: the layer has its own name |
//! | another head, or an image without metadata, with data of its own | a person's hand | left alone, not used |
//! | `*.img.snap_tmp`, and metadata of that image without the image | a fill before its image was complete | removed |
//! | a root snapshot with no metadata but `{"Parent":""}`, beside an empty head that stands on nothing | a fill before `volume.meta` was replaced | removed: it was never the volume's content, and a volume that has any snapshot else has a head that stands on one |
//! | `*.img.tmp`, another name of a layer that stays | a purge before the name was renamed over its child's | the name is removed |
//! | `*.img.tmp`, the only name of its file | a person's hand | left alone |
//! | `*.img.aside`, `*.img.aside-N` | a new layer that found a stranger of its name (`make_way`) | left alone |
//! | metadata of a removed layer on which nothing stands, without its image | a deletion | removed |
//! | `aurochs.sums.*` of an image that is gone, or that was being changed | a removal, a merge | removed (`sums`) |
//! | what has another name, or is no plain file | a person's hand | left alone |
//! | other metadata off the live chain without its image | a person's hand, a damaged file system | kept, and what lies below it too (`Records`) |

use super::chain::Records;
use super::directory::{Directory, FileIdentity};
use super::error::ReplicaError;
use super::metadata::LayerMeta;
use super::names;

/// What is to be removed once the directory is known to be sound and ours.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) images: Vec<String>,
    pub(crate) files: Vec<String>,
    /// Other heads with data of their own. They stay.
    pub(crate) unused_heads: Vec<String>,
}

impl Leftovers {
    /// Finds strays and takes them out of `records`. Changes nothing in the directory.
    pub(crate) fn find(
        directory: &Directory,
        listing: &[String],
        head: &str,
        records: &mut Records,
    ) -> Result<Self, ReplicaError> {
        let mut found =
            Self { files: listing.iter().filter(|file| is_mark(file)).cloned().collect(), ..Self::default() };
        let head_identity = directory.identity(head)?;
        let (mut other_heads, mut snapshots) = (Vec::new(), Vec::new());
        for image in listing.iter().filter(|file| names::is_layer(file) && *file != head) {
            if !is_plain_or_gone(directory, image) {
                continue;
            }
            let Some(identity) = directory.identity(image)? else {
                continue;
            };
            if names::is_head(image) {
                records.0.remove(image);
                other_heads.push((image, identity));
                continue;
            }
            snapshots.push((image, identity));
            if head_identity.is_some_and(|head| head.same_file(&identity)) {
                records.0.remove(image);
                found.images.push(image.clone());
            } else if records.get(image).is_none() && holds_nothing_wanted(directory, image, &identity)? {
                found.images.push(image.clone());
            }
        }
        found.add_deleted_leaves(listing, records);
        records.0.retain(|image, _| image == head || !names::is_head(image));
        let nothing_yet = head_identity.is_some_and(|head| head.allocated_bytes == 0)
            && records.get(head).is_some_and(|record| record.parent.is_empty());
        if nothing_yet {
            found.add_unreached_fills(records);
        }
        found.add_unfinished_fills(listing, records);
        snapshots.retain(|(image, _)| !found.images.contains(image));
        let staying = head_identity.into_iter().chain(snapshots.into_iter().map(|(_, identity)| identity));
        found.add_second_names(directory, listing, other_heads, staying.collect())?;
        found.files.retain(|file| is_plain_or_gone(directory, file));
        Ok(found)
    }

    /// Other heads and names of merges: each may go if its file keeps one of the names `staying`. How many names a file
    /// has would prove nothing, for the others may be going as well, or lie outside of the directory.
    fn add_second_names(
        &mut self,
        directory: &Directory,
        listing: &[String],
        other_heads: Vec<(&String, FileIdentity)>,
        mut staying: Vec<FileIdentity>,
    ) -> Result<(), ReplicaError> {
        let stays = |staying: &[FileIdentity], file: &FileIdentity| staying.iter().any(|other| other.same_file(file));
        for (image, identity) in other_heads {
            if stays(&staying, &identity) || holds_nothing_wanted(directory, image, &identity)? {
                self.images.push(image.clone());
            } else {
                self.unused_heads.push(image.clone());
                staying.push(identity);
            }
        }
        let is_of_image = |file: &&String| file.strip_suffix(names::TMP_SUFFIX).is_some_and(names::is_layer);
        for file in listing.iter().filter(is_of_image) {
            if directory.identity(file)?.is_some_and(|identity| stays(&staying, &identity)) {
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

    /// Complete, but the volume never went over to it: other replicas may not have it at all.
    fn add_unreached_fills(&mut self, records: &mut Records) {
        let unreached = |(image, record): (&String, &LayerMeta)| {
            (*record == LayerMeta::head("", "", "") && !records.has_children(image)).then(|| image.clone())
        };
        let images: Vec<String> = records.0.iter().filter_map(unreached).collect();
        records.0.retain(|image, _| !images.contains(image));
        self.images.extend(images);
    }

    fn add_unfinished_fills(&mut self, listing: &[String], records: &mut Records) {
        for file in listing {
            let Some(image) = file.strip_suffix(names::UNFINISHED_SUFFIX) else { continue };
            if names::snapshot_of(image).is_none() {
                continue;
            }
            if !listing.iter().any(|other| other == image) {
                // In front of the file: as long as that is there, this is found again.
                self.images.push(image.to_owned());
                records.0.remove(image);
            }
            self.files.push(file.clone());
        }
    }

    /// A mark goes after the head it stands for: without it nobody would know that the head may go.
    pub(super) fn remove(&self, directory: &Directory) -> Result<(), ReplicaError> {
        for image in &self.unused_heads {
            tracing::warn!(image, directory = %directory.path().display(),
                "an image that is not the head of this replica holds data; it is not used, remove it if it is not wanted");
        }
        for image in &self.images {
            tracing::info!(image, directory = %directory.path().display(), "removing what an interrupted change left");
            directory.remove_layer(image)?;
        }
        if !self.images.is_empty() {
            directory.sync()?;
        }
        for file in &self.files {
            directory.remove(file)?;
        }
        if self.images.is_empty() && self.files.is_empty() { Ok(()) } else { directory.sync() }
    }
}

/// Empty, or given up on purpose.
pub(super) fn holds_nothing_wanted(
    directory: &Directory,
    image: &str,
    identity: &FileIdentity,
) -> Result<bool, ReplicaError> {
    let mark = directory.identity(&names::abandoned_of(image))?;
    let is_empty = identity.is_regular && identity.allocated_bytes == 0;
    Ok(is_empty || mark.is_some_and(|mark| mark.same_file(identity)))
}

/// What has the name of one of our files and is a directory, a link or a device was put there by a person.
fn is_plain_or_gone(directory: &Directory, file: &str) -> bool {
    directory.file(file).symlink_metadata().map_or(true, |facts| facts.is_file())
}

fn is_mark(file: &str) -> bool {
    names::is_abandoned(file) || names::is_tmp(file)
}
