//! What there is on disks.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::place::DIRECTORY;
use super::record::Record;
use super::works::{blocking, ready};
use super::{ImageError, Images, Place};
use crate::grpc::instance_v1::{Image, ImageDisk, ImageListReply};
use crate::instance::disk;

/// What a look at a disk found.
struct Found {
    ready: Vec<(Place, Record)>,
    /// Files without a record that speaks of them.
    strange: Vec<Place>,
}

impl Images {
    /// The images on these disks. A file without a record is read through in the background, and shown as being made.
    pub async fn list(&self, disks: Vec<ImageDisk>) -> ImageListReply {
        let mut reply = ImageListReply::default();
        for disk in disks {
            match self.look_at(&disk).await {
                Ok(found) => reply.images.extend(self.told(Path::new(&disk.path), found)),
                Err(error) => {
                    tracing::debug!(disk = disk.path, %error, "the backing images of a disk are not known");
                    reply.unreadable.push(disk);
                }
            }
        }
        reply
    }

    /// A work is the younger news of a place.
    fn told(&self, disk: &Path, found: Found) -> Vec<Image> {
        let mut images: BTreeMap<PathBuf, Image> = BTreeMap::new();
        for (place, record) in &found.ready {
            images.insert(place.directory(), ready(place, record));
        }
        for place in &found.strange {
            let image = self.work(place).unwrap_or_else(|| self.recognise(place, String::new()));
            images.insert(place.directory(), image);
        }
        for image in self.works_on(disk) {
            if let Ok(place) = Place::of(image.place.as_ref()) {
                images.entry(place.directory()).or_insert(image);
            }
        }
        images.into_values().collect()
    }

    async fn look_at(&self, disk: &ImageDisk) -> Result<Found, ImageError> {
        let path = PathBuf::from(&disk.path);
        let _look = Look::begin(self, &path)?;
        let uuid = disk.uuid.clone();
        // The look ends with the thread, and not with whoever waits for it.
        blocking(move || {
            let found = find(&path, &uuid);
            drop(_look);
            found
        })
        .await
    }
}

fn find(path: &Path, uuid: &str) -> Result<Found, ImageError> {
    disk::check_identity(path, uuid)?;
    let directory = path.join(DIRECTORY);
    let mut found = Found { ready: Vec::new(), strange: Vec::new() };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(ImageError::at("list", &directory)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(ImageError::at("list", &directory))?;
        let name = entry.file_name();
        let Some(place) = name.to_str().and_then(|name| Place::of_directory(path, uuid, name)) else { continue };
        match Record::of(&place) {
            Some(record) => found.ready.push((place, record)),
            None if place.file().is_file() => found.strange.push(place),
            None => {}
        }
    }
    Ok(found)
}

struct Look {
    images: Images,
    path: PathBuf,
}

impl Look {
    fn begin(images: &Images, path: &Path) -> Result<Self, ImageError> {
        let mut looking = images.shared.looking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !looking.insert(path.to_owned()) {
            return Err(disk::DiskError::Hangs(path.to_owned()).into());
        }
        Ok(Self { images: images.clone(), path: path.to_owned() })
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.images.shared.looking.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.path);
    }
}
