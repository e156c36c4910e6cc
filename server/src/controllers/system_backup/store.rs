//! The resources as a zip, into the target.
//!
//! Invariant: **of every volume it names a backup that is no older than the newest one that was complete before**. A restore
//! of the system fills the volume from it, and makes one without a backup empty.

use sha2::{Digest, Sha256};

use crate::backups::remote::system as remote;
use crate::controllers::backup::last_backup;
use crate::controllers::engine_image::default_image;
use crate::controllers::{Context, Error};
use crate::resources::system_backup::{SystemBackupState, SystemBackupStatus};
use crate::resources::{BackupTarget, Object, SystemBackup};
use crate::system::{archive, contents};

/// What is in the target now.
pub(super) struct Made {
    pub(super) version: String,
    pub(super) created_at: String,
}

/// Once stored, it is not stored again: what an earlier manager was about to store is known by its checksum.
pub(super) async fn store(
    context: &Context,
    target: &Object<BackupTarget>,
    backup: &Object<SystemBackup>,
) -> Result<Made, Error> {
    let (name, status) = (backup.name(), &backup.status);
    let opened = context.backups.store(target.name(), &target.spec).await?;
    if !status.checksum.is_empty() {
        match remote::inspect(&opened, &status.version, name).await {
            Ok(record) if record.checksum == status.checksum => {
                return Ok(Made { version: record.version, created_at: record.created_at });
            }
            Err(fault) if fault.is_transient => return Err(fault.into()),
            // Another one's is refused below, and a damaged one too.
            Ok(_) | Err(_) => {}
        }
    }
    enter(context, name, SystemBackupState::Generating, "").await?;
    // A volume shows a backup a moment after that is complete, and a manager may have ended in between.
    last_backup::note_everywhere(context).await?;
    let files = contents::files(&context.store, name).await?;
    let packing = tokio::task::spawn_blocking(move || archive::pack(&files)).await;
    let zip = packing.map_err(|error| Error::Other(format!("packing a system backup: {error}")))?;
    let zip = zip.map_err(|error| Error::Other(error.to_string()))?;
    let checksum: String = Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
    enter(context, name, SystemBackupState::Uploading, &checksum).await?;
    let new = remote::NewSystemBackup {
        name: name.to_owned(),
        version: status.version.clone(),
        git_commit: status.git_commit.clone(),
        manager_image: status.manager_image.clone(),
        engine_image: default_image(),
    };
    let record = remote::put(&opened, &new, zip).await?;
    Ok(Made { version: record.version, created_at: record.created_at })
}

async fn enter(context: &Context, name: &str, state: SystemBackupState, checksum: &str) -> Result<(), Error> {
    let change = |status: &mut SystemBackupStatus| {
        status.state = state;
        checksum.clone_into(&mut status.checksum);
        status.waits_for.clear();
        status.next_step.clear();
    };
    context.store.modify_status::<SystemBackup>(name, change).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::backup::{BackupSpec, BackupState, LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};
    use aurochs_api::backup_target::DEFAULT;

    use crate::resources::backup_target::BackupTargetSpec;
    use crate::resources::system_backup::SystemBackupSpec;
    use crate::resources::volume::VolumeSpec;
    use crate::resources::{Backup, Volume};

    /// Its manager ended before the volume showed it: a restore would have made the volume empty, or older.
    #[tokio::test]
    async fn the_newest_complete_backup_is_named() {
        let (context, directory) = bench::context(&[]).await;
        let store = &context.store;
        let place = directory.path().join("target");
        std::fs::create_dir(&place).unwrap();
        let spec = BackupTargetSpec { backup_target_url: format!("vfs://{}", place.display()), ..Default::default() };
        let target = store.create(&Object::<BackupTarget>::new(DEFAULT, spec)).await.unwrap();
        let spec = VolumeSpec { backup_target_name: DEFAULT.into(), ..VolumeSpec::default() };
        store.create(&Object::<Volume>::new("data", spec)).await.unwrap();
        store.modify_status::<Volume>("data", |status| status.last_backup = "older".into()).await.unwrap();
        let mut backup = Object::<Backup>::new("newest", BackupSpec::default());
        backup.metadata.labels.insert(LABEL_BACKUP_VOLUME.to_owned(), "data".to_owned());
        backup.metadata.labels.insert(LABEL_BACKUP_TARGET.to_owned(), DEFAULT.to_owned());
        store.create(&backup).await.unwrap();
        store.modify_status::<Backup>("newest", |status| status.state = BackupState::Completed).await.unwrap();
        let made = Object::<SystemBackup>::new("nightly", SystemBackupSpec::default());
        store.create(&made).await.unwrap();
        let change = |status: &mut SystemBackupStatus| crate::system::version().clone_into(&mut status.version);
        let made = store.modify_status::<SystemBackup>("nightly", change).await.unwrap();

        let record = super::store(&context, &target, &made).await.unwrap();

        let opened = context.backups.store(DEFAULT, &target.spec).await.unwrap();
        let (_, zip) = remote::get(&opened, &record.version, "nightly").await.unwrap();
        let files = archive::unpack(&zip, |path| path.ends_with("volumes.yaml")).unwrap();
        assert!(files[0].text.contains("lastBackup: newest"), "{}", files[0].text);
    }
}
