//! Backups of the system: every resource in a zip, and a record beside it (formats.md §14).
//!
//! ```text
//!   backupstore/system-backups/<version>/<name>/system-backup.zip
//!                                              /system-backup.cfg
//! ```
//! What is in the zip is its maker's business. The record is written last: without it there is no backup, and a zip alone
//! is what a backup that died left, which the next one of this name replaces.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::store::Store;
use super::target::{ErrorKind, StoreError, TargetUrl};
use super::{BackupError, json, layout, names};

/// The directories of all versions.
const SYSTEM_BACKUPS: &str = "system-backups";
const RECORD: &str = "system-backup.cfg";
const ZIP: &str = "system-backup.zip";
/// A record has a few hundred bytes.
const RECORD_BYTES_MAXIMUM: u64 = 1 << 20;
/// Thousands of resources take a few MiB. It is held in memory.
const ZIP_BYTES_MAXIMUM: u64 = 256 << 20;

/// `system-backup.cfg`, the keys in Longhorn's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemBackup {
    pub name: String,
    #[serde(rename = "LonghornVersion")]
    pub version: String,
    #[serde(rename = "LonghornGitCommit")]
    pub git_commit: String,
    #[serde(rename = "BackupTargetURL")]
    pub target_url: String,
    pub manager_image: String,
    pub engine_image: String,
    /// RFC 3339 with nanoseconds, UTC.
    pub created_at: String,
    /// SHA-256 of the zip in hexadecimal digits.
    pub checksum: String,
}

/// A backup in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemBackupName {
    pub version: String,
    pub name: String,
}

/// Who makes it.
#[derive(Clone, Debug, Default)]
pub struct NewSystemBackup {
    pub name: String,
    pub version: String,
    pub git_commit: String,
    pub manager_image: String,
    pub engine_image: String,
}

fn directory(version: &str, name: &str) -> Result<String, BackupError> {
    names::check("version", version)?;
    names::check("system backup", name)?;
    Ok(format!("{}/{SYSTEM_BACKUPS}/{version}/{name}", layout::ROOT))
}

/// The address that Longhorn shows for it.
///
/// # Errors
/// One of the names can't be.
pub fn url(target: &TargetUrl, version: &str, name: &str) -> Result<String, BackupError> {
    Ok(format!("{}/{}", target.as_str().trim_end_matches('/'), directory(version, name)?))
}

/// Stores a zip with its record.
///
/// # Errors
/// There is one of this name and version, or the target can't take it; then there is none.
pub async fn create(store: &Store, new: &NewSystemBackup, zip: Bytes) -> Result<SystemBackup, BackupError> {
    let directory = directory(&new.version, &new.name)?;
    let record_path = format!("{directory}/{RECORD}");
    if store.facts(&record_path).await?.is_some() {
        return Err(BackupError::SystemBackupExists { name: new.name.clone(), version: new.version.clone() });
    }
    let now = OffsetDateTime::now_utc().format(&Rfc3339);
    let created_at = now.map_err(|error| BackupError::Internal { what: "tell the time", why: error.to_string() })?;
    let record = SystemBackup {
        name: new.name.clone(),
        version: new.version.clone(),
        git_commit: new.git_commit.clone(),
        target_url: store.url().as_str().to_owned(),
        manager_image: new.manager_image.clone(),
        engine_image: new.engine_image.clone(),
        created_at,
        checksum: checksum(&zip),
    };
    let text = json::encode("the record of a system backup", &record)?;
    store.write(&format!("{directory}/{ZIP}"), zip).await?;
    store.write(&record_path, text.into()).await?;
    Ok(record)
}

/// All of them, sorted. What has no record is none.
///
/// # Errors
/// The target can't be listed.
pub async fn list(store: &Store) -> Result<Vec<SystemBackupName>, BackupError> {
    let root = format!("{}/{SYSTEM_BACKUPS}", layout::ROOT);
    let mut found = Vec::new();
    for version in valid(store.list(&root).await?.directories) {
        for name in valid(store.list(&format!("{root}/{version}")).await?.directories) {
            if store.facts(&format!("{root}/{version}/{name}/{RECORD}")).await?.is_some() {
                found.push(SystemBackupName { version: version.clone(), name });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What somebody else put there is skipped.
fn valid(names: Vec<String>) -> impl Iterator<Item = String> {
    names.into_iter().filter(|name| names::is_valid(name))
}

/// The record of a backup.
///
/// # Errors
/// There is none, or it is damaged.
pub async fn inspect(store: &Store, version: &str, name: &str) -> Result<SystemBackup, BackupError> {
    let path = format!("{}/{RECORD}", directory(version, name)?);
    let text = store.read_at_most(&path, RECORD_BYTES_MAXIMUM).await.map_err(|error| missing(error, version, name))?;
    let record: SystemBackup = json::decode(&path, &text)?;
    if record.name == name && record.version == version {
        return Ok(record);
    }
    let why = format!("it is the record of {} of version {}", record.name, record.version);
    Err(BackupError::Damaged { path, why })
}

/// The zip, which has the checksum of its record.
///
/// # Errors
/// As [`inspect`]; the zip is not the one that was stored.
pub async fn read(store: &Store, version: &str, name: &str) -> Result<(SystemBackup, Bytes), BackupError> {
    let record = inspect(store, version, name).await?;
    let path = format!("{}/{ZIP}", directory(version, name)?);
    let zip = store.read_at_most(&path, ZIP_BYTES_MAXIMUM).await.map_err(|error| missing(error, version, name))?;
    let found = checksum(&zip);
    if found != record.checksum {
        let why = format!("its SHA-256 is {found}, and not {} as its record says", record.checksum);
        return Err(BackupError::Damaged { path, why });
    }
    Ok((record, zip))
}

/// Removes a backup: its record first, so that nobody meets one without its zip. None is fine.
///
/// # Errors
/// The target can't remove it.
pub async fn delete(store: &Store, version: &str, name: &str) -> Result<(), BackupError> {
    let directory = directory(version, name)?;
    store.remove(&format!("{directory}/{RECORD}")).await?;
    store.remove_all(&directory).await?;
    Ok(())
}

fn checksum(zip: &[u8]) -> String {
    Sha256::digest(zip).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn missing(error: StoreError, version: &str, name: &str) -> BackupError {
    match error.kind() {
        ErrorKind::NotFound => BackupError::NoSystemBackup { name: name.to_owned(), version: version.to_owned() },
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Credentials, Target};
    use super::*;

    async fn store(place: &std::path::Path) -> Store {
        let url = format!("vfs://{}", place.display()).parse().unwrap();
        Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap()
    }

    /// As Longhorn wrote it (b08-multi).
    const GOLDEN: &str = r#"{"Name":"golden-sb","LonghornVersion":"v1.9.0","LonghornGitCommit":"0000","BackupTargetURL":"vfs:///tmp/build/golden/bs/b08-multi","ManagerImage":"longhornio/longhorn-manager:v1.9.0","EngineImage":"longhornio/longhorn-engine:v1.9.0","CreatedAt":"2026-11-21T02:11:28.82382406Z","Checksum":"8b7040f648bb8373937f51d7d50afa30c8161115e8a8b89fab720a95185b0e94"}"#;

    #[test]
    fn the_record_is_longhorns_to_the_byte() {
        let record: SystemBackup = json::decode("cfg", GOLDEN.as_bytes()).unwrap();
        assert_eq!((record.name.as_str(), record.version.as_str()), ("golden-sb", "v1.9.0"));
        assert_eq!(String::from_utf8(json::encode("record", &record).unwrap()).unwrap(), GOLDEN);
        let time = OffsetDateTime::parse(&record.created_at, &Rfc3339).unwrap();
        assert_eq!(time.format(&Rfc3339).unwrap(), record.created_at, "times are written alike");
    }

    #[tokio::test]
    async fn a_backup_lives_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path()).await;
        assert_eq!(list(&store).await.unwrap(), []);
        let new = NewSystemBackup { name: "sb-1".into(), version: "v1.9.0".into(), ..NewSystemBackup::default() };
        let made = create(&store, &new, Bytes::from_static(b"zip")).await.unwrap();
        assert_eq!(made.checksum, checksum(b"zip"));
        assert_eq!(checksum(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let refused = create(&store, &new, Bytes::from_static(b"other")).await;
        assert!(matches!(refused, Err(BackupError::SystemBackupExists { .. })));
        assert_eq!(read(&store, "v1.9.0", "sb-1").await.unwrap(), (made.clone(), Bytes::from_static(b"zip")));
        let names = list(&store).await.unwrap();
        assert_eq!(names, [SystemBackupName { version: "v1.9.0".into(), name: "sb-1".into() }]);
        let address = url(store.url(), "v1.9.0", "sb-1").unwrap();
        assert!(address.ends_with("/backupstore/system-backups/v1.9.0/sb-1"), "{address}");

        // A zip that was changed is not handed out; what has no record is not there.
        let directory = place.path().join("backupstore/system-backups/v1.9.0/sb-1");
        std::fs::write(directory.join(ZIP), "zap").unwrap();
        assert!(matches!(read(&store, "v1.9.0", "sb-1").await, Err(BackupError::Damaged { .. })));
        delete(&store, "v1.9.0", "sb-1").await.unwrap();
        delete(&store, "v1.9.0", "sb-1").await.unwrap();
        assert!(matches!(inspect(&store, "v1.9.0", "sb-1").await, Err(BackupError::NoSystemBackup { .. })));
        assert!(!directory.exists());
        std::fs::create_dir_all(place.path().join("backupstore/system-backups/v1.9.0/half")).unwrap();
        assert_eq!(list(&store).await.unwrap(), []);
        assert!(matches!(inspect(&store, "..", "sb-1").await, Err(BackupError::InvalidName { .. })));
    }
}
