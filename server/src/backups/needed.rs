//! Backups that a volume in use still gets its data from: without them that data is lost.

use aurochs_engine::backup::BackupUrl;

use crate::resources::{Backup, Object, Volume};
use crate::store::{Store, StoreError};

/// The volume that needs this backup, if any does.
///
/// # Errors
/// The store's.
pub async fn by(store: &Store, backup: &Object<Backup>) -> Result<Option<String>, StoreError> {
    let volumes = store.list_shared::<Volume>().await?;
    Ok(volumes.iter().find(|volume| needs(volume, backup)).map(|volume| volume.name().to_owned()))
}

fn needs(volume: &Object<Volume>, backup: &Object<Backup>) -> bool {
    let is_to_begin = volume.spec.instant_restore && volume.status.restore_required;
    if !(volume.status.is_partly_remote || is_to_begin) {
        return false;
    }
    let named = |text: &str| text.parse::<BackupUrl>().ok().map(|url| (url.volume, url.backup));
    let wanted = named(&volume.spec.from_backup);
    wanted.is_some() && wanted == named(&backup.status.url) && volume.spec.backup_target_name == backup.target()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::{LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};

    #[test]
    fn only_the_backup_that_is_being_fetched_is_needed() {
        let backup = |name: &str| {
            let mut backup = Object::<Backup>::new(name, Default::default());
            backup.status.url = format!("vfs:///b?backup={name}&volume=data");
            backup.metadata.labels.insert(LABEL_BACKUP_TARGET.into(), "default".into());
            backup.metadata.labels.insert(LABEL_BACKUP_VOLUME.into(), "data".into());
            backup
        };
        let mut volume = Object::<Volume>::new("v", Default::default());
        volume.spec.from_backup = "vfs:///b?backup=one&volume=data".into();
        assert!(!needs(&volume, &backup("one")), "all of it is there");
        volume.status.is_partly_remote = true;
        assert!(needs(&volume, &backup("one")));
        assert!(!needs(&volume, &backup("two")));
    }
}
