//! Asking for a target, or a volume in it, to be read again; and what was read of a backup.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::backups::names;
use crate::resources::{Backup, BackupTarget, BackupVolume, Object};
use crate::store::{Store, StoreError};

/// A moment that differs from the one before, be that in the same second.
pub(crate) fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// A target without an address has nothing to read.
pub(crate) async fn target(store: &Store, name: &str) -> Result<Object<BackupTarget>, StoreError> {
    let change = |target: &mut Object<BackupTarget>| {
        if !target.spec.backup_target_url.is_empty() {
            target.spec.sync_requested_at = now();
        }
    };
    store.modify::<BackupTarget>(name, change).await
}

pub(crate) async fn volume(store: &Store, name: &str) -> Result<Object<BackupVolume>, StoreError> {
    store.modify::<BackupVolume>(name, |volume| volume.spec.sync_requested_at = now()).await
}

/// The resource of a backup, by its names in the store.
pub(crate) async fn backup(
    store: &Store,
    backup: &str,
    volume: &str,
    target: &str,
) -> Result<Option<Object<Backup>>, StoreError> {
    let is_it = |found: &Object<Backup>| {
        found.volume() == volume && found.target() == target && found.name_in_target() == backup
    };
    for name in [backup.to_owned(), names::of_double(backup, volume, target)] {
        if let Some(found) = store.find::<Backup>(&name).await?.filter(is_it) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
