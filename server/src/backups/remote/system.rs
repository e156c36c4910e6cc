//! Backups of the system in a target.
//!
//! Longhorn has no locks for them: whoever writes a record last wins. What was written is therefore read back, and one of
//! the same name and version that is there already is never overwritten.

use std::time::Duration;

use aurochs_engine::backup::Store;
use aurochs_engine::backup::system as library;
use bytes::Bytes;

use super::{LOOK_TIMEOUT, missing_is_fine, within};
use crate::backups::Fault;

pub use library::{NewSystemBackup, SystemBackup as Record, SystemBackupName};

/// A few MiB, over a slow line.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(900);

/// What somebody else put there is skipped.
pub async fn list(store: &Store) -> Result<Vec<SystemBackupName>, Fault> {
    within(LOOK_TIMEOUT, "listing the system backups", library::list(store)).await
}

pub async fn inspect(store: &Store, version: &str, name: &str) -> Result<Record, Fault> {
    let doing = format!("reading the record of system backup {name}");
    within(LOOK_TIMEOUT, &doing, library::inspect(store, version, name)).await
}

/// Stores it, and reads it back: another installation may have written one of the same name at the same moment.
pub async fn put(store: &Store, new: &NewSystemBackup, zip: Bytes) -> Result<Record, Fault> {
    let doing = format!("storing system backup {}", new.name);
    let made = within(TRANSFER_TIMEOUT, &doing, library::create(store, new, zip)).await?;
    let (read, _) = get(store, &new.version, &new.name).await?;
    if read.checksum == made.checksum {
        return Ok(made);
    }
    let message = format!("another installation stored a system backup {} at the same moment", new.name);
    Err(Fault::taken(message))
}

/// The zip, which has the checksum of its record.
pub async fn get(store: &Store, version: &str, name: &str) -> Result<(Record, Bytes), Fault> {
    let doing = format!("reading system backup {name}");
    within(TRANSFER_TIMEOUT, &doing, library::read(store, version, name)).await
}

/// One that is not there is fine.
pub async fn delete(store: &Store, version: &str, name: &str) -> Result<(), Fault> {
    let doing = format!("deleting system backup {name}");
    missing_is_fine(within(LOOK_TIMEOUT, &doing, library::delete(store, version, name)).await)
}

/// Its address, without secrets.
pub fn url(store: &Store, version: &str, name: &str) -> Result<String, Fault> {
    Ok(library::url(store.url(), version, name)?)
}
