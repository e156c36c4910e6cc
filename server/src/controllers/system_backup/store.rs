//! The resources as a zip, into the target.

use sha2::{Digest, Sha256};

use crate::backups::remote::system as remote;
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
