//! A node's disks: their size and identity, and the replica directories on them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Name of Longhorn's file that ties a path to a disk record.
const CONFIGURATION: &str = "longhorn-disk.cfg";
const REPLICAS: &str = "replicas";

/// Why a disk can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("cannot {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is damaged ({why}); put back the disk's own file, or remove it if the disk is new")]
    Configuration { path: PathBuf, why: String },
    #[error("{0} is no replica directory of a disk: it has to be <disk>/replicas/<name>")]
    NotAReplica(PathBuf),
}

/// `longhorn-disk.cfg`; older releases wrote only the UUID.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    disk_name: String,
    #[serde(rename = "diskUUID")]
    disk_uuid: String,
    disk_driver: String,
    state: String,
}

/// What a disk is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disk {
    pub uuid: String,
    pub filesystem_type: String,
    /// Identity of the file system: disks that share it share their space.
    pub filesystem_id: String,
    pub maximum_bytes: u64,
    /// What an ordinary user may still write.
    pub available_bytes: u64,
    /// Allocated bytes by replica directory name.
    pub replica_directories: BTreeMap<String, u64>,
}

/// Looks at the disk at `path`; a new one gets its directory and its UUID.
pub fn inspect(path: &Path) -> Result<Disk, DiskError> {
    let io = |what| move |source| DiskError::Io { what, path: path.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path.join(REPLICAS)).map_err(io("make the disk directory"))?;
    let configuration = configuration(path)?;
    let figures = nix::sys::statvfs::statvfs(path).map_err(|errno| io("ask the size of")(errno.into()))?;
    let kind = nix::sys::statfs::statfs(path).map_err(|errno| io("ask the file system of")(errno.into()))?;
    Ok(Disk {
        uuid: configuration.disk_uuid,
        filesystem_type: filesystem_name(kind.filesystem_type()),
        filesystem_id: format!("{:x}", figures.filesystem_id()),
        maximum_bytes: figures.blocks() * figures.fragment_size(),
        available_bytes: figures.blocks_available() * figures.fragment_size(),
        replica_directories: replica_directories(&path.join(REPLICAS)),
    })
}

fn configuration(disk: &Path) -> Result<Configuration, DiskError> {
    let path = disk.join(CONFIGURATION);
    match fs::read(&path) {
        Ok(text) => {
            let damaged = |why: String| DiskError::Configuration { path: path.clone(), why };
            let found: Configuration = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
            if found.disk_uuid.is_empty() { Err(damaged("it has no diskUUID".to_owned())) } else { Ok(found) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_configuration(&path),
        Err(source) => Err(DiskError::Io { what: "read", path, source }),
    }
}

fn create_configuration(path: &Path) -> Result<Configuration, DiskError> {
    let new = Configuration {
        disk_uuid: uuid::Uuid::new_v4().to_string(),
        state: "ready".to_owned(),
        ..Configuration::default()
    };
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        file.write_all(&serde_json::to_vec(&new)?)?;
        file.sync_all()
    };
    write().map_err(|source| DiskError::Io { what: "write", path: path.to_owned(), source })?;
    Ok(new)
}

/// Sums of allocated bytes; what can't be read counts as empty.
fn replica_directories(replicas: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(replicas).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| (entry.file_name().to_string_lossy().into_owned(), allocated(&entry.path()))).collect()
}

fn allocated(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    // st_blocks counts units of 512 bytes whatever the file system.
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}

fn filesystem_name(kind: nix::sys::statfs::FsType) -> String {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC};
    let known = [
        (EXT4_SUPER_MAGIC, "ext2/ext3"),
        (XFS_SUPER_MAGIC, "xfs"),
        (BTRFS_SUPER_MAGIC, "btrfs"),
        (TMPFS_MAGIC, "tmpfs"),
        (OVERLAYFS_SUPER_MAGIC, "overlayfs"),
    ];
    let found = known.iter().find(|(magic, _)| *magic == kind);
    found.map_or_else(|| format!("{:x}", kind.0), |(_, name)| (*name).to_owned())
}

/// Removes a replica's directory. Only directories below a disk's `replicas` are touched.
pub fn delete_replica(directory: &Path) -> Result<(), DiskError> {
    let parent = directory.parent().and_then(Path::file_name);
    let plain = directory.is_absolute() && directory.components().all(|part| part.as_os_str() != "..");
    if !plain || parent != Some(REPLICAS.as_ref()) {
        return Err(DiskError::NotAReplica(directory.to_owned()));
    }
    if !directory.exists() {
        return Ok(());
    }
    crate::replica::delete_directory(directory).map_err(|error| DiskError::Io {
        what: "delete",
        path: directory.to_owned(),
        source: io::Error::other(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_disk_gets_an_identity_and_keeps_it() {
        let place = tempfile::tempdir().unwrap();
        let disk = place.path().join("disk");
        let first = inspect(&disk).unwrap();
        assert!(first.maximum_bytes >= first.available_bytes && first.available_bytes > 0);
        assert_eq!(inspect(&disk).unwrap().uuid, first.uuid);
        fs::write(disk.join(CONFIGURATION), r#"{"diskUUID":"old"}"#).unwrap();
        assert_eq!(inspect(&disk).unwrap().uuid, "old", "as older releases wrote it");
        fs::write(disk.join(CONFIGURATION), "{").unwrap();
        assert!(inspect(&disk).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn only_replica_directories_are_deleted() {
        let place = tempfile::tempdir().unwrap();
        for path in ["/", "/etc", "/x/replicas/../../etc", "relative/replicas/a"] {
            assert!(matches!(delete_replica(Path::new(path)), Err(DiskError::NotAReplica(_))), "{path}");
        }
        delete_replica(&place.path().join("replicas/missing")).unwrap();
    }
}
