//! `longhorn-disk.cfg`: the file that ties a path to a disk. One JSON object, no newline:
//!
//! | key | what |
//! |---|---|
//! | `diskName` | empty for a directory |
//! | `diskUUID` | the disk, wherever it is mounted; the only key of older releases |
//! | `diskDriver` | empty for a directory |
//! | `state` | `ready` |

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DiskError;

/// Longhorn's name for it.
pub(super) const FILE: &str = "longhorn-disk.cfg";
/// The file has some hundred bytes; a larger one is not this file.
const SIZE_MAXIMUM: u64 = 64 << 10;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    disk_name: String,
    #[serde(rename = "diskUUID")]
    disk_uuid: String,
    disk_driver: String,
    state: String,
}

/// The UUID of the disk at `disk`; none when it has no configuration.
pub(super) fn read(disk: &Path) -> Result<Option<String>, DiskError> {
    let path = disk.join(FILE);
    let damaged = |why: &str| DiskError::Configuration { path: path.clone(), why: why.to_owned() };
    let text = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > SIZE_MAXIMUM => return Err(damaged("it is too large")),
        Ok(_) => fs::read(&path),
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => {
            let found: Configuration = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
            if found.disk_uuid.is_empty() { Err(damaged("it has no diskUUID")) } else { Ok(Some(found.disk_uuid)) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DiskError::Io { what: "read", path, source }),
    }
}

/// Gives the disk an identity. Never replaces one, and a crash never leaves half of one: the file gets its name when it
/// is complete and on stable storage.
pub(super) fn create(disk: &Path) -> Result<String, DiskError> {
    let path = disk.join(FILE);
    let uuid = uuid::Uuid::new_v4().to_string();
    let new = Configuration { disk_uuid: uuid.clone(), state: "ready".to_owned(), ..Configuration::default() };
    let unfinished = disk.join(format!("{FILE}.{uuid}.tmp"));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(&new)?)?;
        file.sync_all()?;
        // Unlike a rename, a link fails where the name is taken.
        fs::hard_link(&unfinished, &path)?;
        fs::File::open(disk)?.sync_all()
    };
    let written = write();
    // A leftover of a crash has a name of its own and is no configuration.
    let _ = fs::remove_file(&unfinished);
    match written {
        Ok(()) => Ok(uuid),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(read(disk)?.unwrap_or_default()),
        Err(source) => Err(DiskError::Io { what: "write", path, source }),
    }
}
