//! Images on a real directory, from real servers.

mod downloads;
mod places;

use std::path::Path;

use super::{Images, Place};
use crate::grpc::instance_v1::{Image, ImageDisk, ImagePlace, ImageState};

pub(super) const UUID: &str = "1a2b3c4d";

/// A disk in a directory of its own.
pub(super) struct Disk {
    directory: tempfile::TempDir,
    uuid: String,
}

impl Disk {
    pub(super) fn new() -> Self {
        // Not below /tmp: it may be a tmpfs, which has no direct I/O.
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let disk =
            crate::instance::disk::inspect(directory.path(), crate::instance::disk::Make::Configuration).unwrap();
        Self { directory, uuid: disk.uuid }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn place_message(&self, name: &str) -> ImagePlace {
        ImagePlace {
            disk_path: self.path().display().to_string(),
            disk_uuid: self.uuid.clone(),
            name: name.to_owned(),
            uuid: UUID.to_owned(),
        }
    }

    pub(super) fn place(&self, name: &str) -> Place {
        Place::of(Some(&self.place_message(name))).unwrap()
    }

    pub(super) async fn list(&self, images: &Images) -> Vec<Image> {
        let disk = ImageDisk { path: self.path().display().to_string(), uuid: self.uuid.clone() };
        let reply = images.list(vec![disk]).await;
        assert!(reply.unreadable.is_empty(), "{reply:?}");
        reply.images
    }

    /// The one image of the disk when nothing is done with it any more.
    pub(super) async fn settled(&self, images: &Images) -> Image {
        loop {
            let mut all = self.list(images).await;
            assert_eq!(all.len(), 1, "{all:?}");
            let image = all.remove(0);
            if image.state() != ImageState::ImageInProgress {
                return image;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// Bytes that are not zeros, and differ from place to place.
pub(super) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at % 251) as u8 | 1).collect()
}
