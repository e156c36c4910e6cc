//! Snapshots of the kind `bak`: a snapshot, and a backup of it in the volume's backup target.

use aurochs_api::backup::{Backup, BackupState};
use aurochs_api::size::VOLUME_SIZE_ALIGNMENT;
use aurochs_api::snapshot::SnapshotInput;
use aurochs_api::volume::Volume;

use super::snapshot;
use crate::csi::{CreateSnapshotRequest, Snapshot};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::handle::Handle;
use crate::parameters;
use crate::size::signed;
use crate::wait::Wait;

/// How long a backup may take to be known; to be made it takes as long as it takes, and is asked for again and again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

pub(super) async fn create(
    driver: &Driver,
    volume: &Volume,
    request: &CreateSnapshotRequest,
) -> Result<Snapshot, Failure> {
    if let Some(found) = find(driver, volume, &request.name).await? {
        return answer(volume, &found);
    }
    check_target(driver, volume).await?;
    let mode = parameters::text(&request.parameters, "backupMode");
    if !matches!(mode, "" | "incremental" | "full") {
        let message = format_args!("the parameter backupMode can't be {mode:?}");
        return Err(Failure::invalid(message, "Give incremental or full, or leave it out."));
    }
    snapshot::take(driver, request).await?;
    let labels = Some(parameters::labels(&request.parameters));
    let input = SnapshotInput { name: request.name.clone(), labels, backup_mode: mode.to_owned() };
    driver.manager().back_up(&volume.name, &input).await?;
    let mut wait = Wait::new(PATIENCE);
    loop {
        if let Some(found) = find(driver, volume, &request.name).await? {
            return answer(volume, &found);
        }
        wait.again(&format!("the backup of snapshot {} did not show", request.name)).await?;
    }
}

/// The volume's backup of this snapshot, in the target that it has now.
async fn find(driver: &Driver, volume: &Volume, name: &str) -> Result<Option<Backup>, Failure> {
    let backups = driver.manager().backups(&volume.name).await?;
    let is_it = |backup: &Backup| {
        let target = &backup.backup_target_name;
        backup.snapshot_name == name && (target.is_empty() || *target == volume.backup_target_name)
    };
    Ok(backups.into_iter().find(is_it))
}

async fn check_target(driver: &Driver, volume: &Volume) -> Result<(), Failure> {
    let name = &volume.backup_target_name;
    let none = || Failure::new(Kind::NotFound, format_args!("there is no backup target {name}"), "");
    let target = driver.manager().find_backup_target(name).await?.ok_or_else(none)?;
    if target.backup_target_url.is_empty() {
        let message = format_args!("backup target {name} of volume {} has no address", volume.name);
        return Err(Failure::new(Kind::Busy, message, "Give it one, or take snapshots of the type snap."));
    }
    if !target.available {
        let message = format_args!("backup target {name} can't be used: {}", target.message);
        return Err(Failure::new(Kind::Busy, message, "Mend it; it is tried again by itself."));
    }
    Ok(())
}

fn answer(volume: &Volume, backup: &Backup) -> Result<Snapshot, Failure> {
    if backup.state == BackupState::Error || !backup.error.is_empty() {
        let message = format_args!("backup {} of volume {} failed: {}", backup.name, volume.name, backup.error);
        return Err(Failure::internal(message, "Delete it, and it is made anew."));
    }
    let handle = Handle::Backup { volume: volume.name.clone(), backup: backup.name.clone() };
    let size = signed(volume.size.round_up(VOLUME_SIZE_ALIGNMENT));
    let made = &backup.snapshot_created;
    Ok(snapshot::answer(&handle, &volume.name, size, made, backup.state == BackupState::Completed))
}

/// In whichever target it is.
pub(super) async fn delete(driver: &Driver, volume: &str, name: &str) -> Result<(), Failure> {
    for target in driver.manager().backup_volumes(volume).await? {
        driver.manager().delete_backup(&target.name, name).await?;
    }
    Ok(())
}
