//! Where an image lies: `<disk>/backing-images/<name>-<uuid>/`.
//!
//! | file in it | holds |
//! |---|---|
//! | `backing` | the image, raw or qcow2 |
//! | `backing.cfg` | what it is (`record`) |
//! | `backing.tmp` | what is to become it; nobody reads it |

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::ImageError;
use crate::grpc::instance_v1::ImagePlace;
use crate::instance::disk;

/// Below the disk.
pub(super) const DIRECTORY: &str = "backing-images";
pub(super) const FILE: &str = "backing";
pub(super) const RECORD: &str = "backing.cfg";
const UNFINISHED: &str = "backing.tmp";
/// Longer than any name that the manager gives.
const NAME_MAXIMUM: usize = 200;

/// One image on one disk; its parts are checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    disk: PathBuf,
    disk_uuid: String,
    name: String,
    uuid: String,
}

impl Place {
    /// # Errors
    /// A name or a UUID that could lead out of the directory.
    pub fn of(message: Option<&ImagePlace>) -> Result<Self, ImageError> {
        let ImagePlace { disk_path, disk_uuid, name, uuid } = message.ok_or(ImageError::Incomplete("where"))?.clone();
        if !is_name(&name) {
            return Err(ImageError::Name(name));
        }
        if uuid.is_empty() || uuid.len() > NAME_MAXIMUM || !uuid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ImageError::Uuid(uuid));
        }
        if disk_path.is_empty() || disk_uuid.is_empty() {
            return Err(ImageError::Incomplete("on which disk"));
        }
        Ok(Self { disk: disk_path.into(), disk_uuid, name, uuid })
    }

    /// The place that a directory's name stands for; none for a directory of others.
    pub(super) fn of_directory(disk: &Path, disk_uuid: &str, directory: &str) -> Option<Self> {
        let (name, uuid) = directory.rsplit_once('-')?;
        let disk_path = disk.to_str()?.to_owned();
        let message = ImagePlace { disk_path, disk_uuid: disk_uuid.into(), name: name.into(), uuid: uuid.into() };
        Self::of(Some(&message)).ok()
    }

    pub(super) fn message(&self) -> ImagePlace {
        ImagePlace {
            disk_path: self.disk.display().to_string(),
            disk_uuid: self.disk_uuid.clone(),
            name: self.name.clone(),
            uuid: self.uuid.clone(),
        }
    }

    pub(super) fn disk(&self) -> &Path {
        &self.disk
    }

    pub(super) fn disk_uuid(&self) -> &str {
        &self.disk_uuid
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn uuid(&self) -> &str {
        &self.uuid
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.disk.join(DIRECTORY).join(format!("{}-{}", self.name, self.uuid))
    }

    pub(super) fn file(&self) -> PathBuf {
        self.directory().join(FILE)
    }

    pub(super) fn record(&self) -> PathBuf {
        self.directory().join(RECORD)
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.directory().join(UNFINISHED)
    }

    /// Makes the directory on the wished disk, durably, without what an earlier attempt left in it. Blocks.
    pub(super) fn make(&self) -> Result<(), ImageError> {
        disk::check_identity(&self.disk, &self.disk_uuid)?;
        let directory = self.directory();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(ImageError::at("make the directory", &directory))?;
        remove_file(&self.unfinished())?;
        sync_directory(&self.disk.join(DIRECTORY))?;
        sync_directory(&self.disk)
    }

    /// Removes the directory with all that is known to be in it. Blocks.
    pub(super) fn remove(&self) -> Result<(), ImageError> {
        disk::check_identity(&self.disk, &self.disk_uuid)?;
        let directory = self.directory();
        // First what makes it an image: half a removal must not look like one that was never begun.
        for file in [FILE, RECORD, UNFINISHED, "backing.cfg.tmp", "backing.tmp.part"] {
            remove_file(&directory.join(file))?;
        }
        match fs::remove_dir(&directory) {
            Ok(()) => sync_directory(&self.disk.join(DIRECTORY)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(ImageError::at("remove the directory", &directory)(error)),
        }
    }
}

fn is_name(name: &str) -> bool {
    let starts = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    starts && name.len() <= NAME_MAXIMUM && name.bytes().all(inside)
}

pub(super) fn remove_file(path: &Path) -> Result<(), ImageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImageError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn sync_directory(path: &Path) -> Result<(), ImageError> {
    fs::File::open(path).and_then(|handle| handle.sync_all()).map_err(ImageError::at("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_directory() {
        let place = |name: &str, uuid: &str| {
            let (name, uuid) = (name.to_owned(), uuid.to_owned());
            Place::of(Some(&ImagePlace { disk_path: "/d".into(), disk_uuid: "u".into(), name, uuid }))
        };
        assert_eq!(
            place("debian-12.qcow2", "1a2b").unwrap().file(),
            Path::new("/d/backing-images/debian-12.qcow2-1a2b/backing")
        );
        for (name, uuid) in [("", "a"), ("..", "a"), ("a/b", "a"), ("-a", "a"), ("a", ""), ("a", "../x"), ("a\n", "a")]
        {
            assert!(place(name, uuid).is_err(), "{name:?} {uuid:?}");
        }
        let found = Place::of_directory(Path::new("/d"), "u", "debian-12-1a2b").unwrap();
        assert_eq!((found.name(), found.uuid()), ("debian-12", "1a2b"));
        assert!(Place::of_directory(Path::new("/d"), "u", "lost+found").is_none());
    }
}
