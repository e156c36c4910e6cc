//! The backup that a new volume is made of.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{SizeText, VolumeCreateInput};
use aurochs_engine::backup::BackupUrl;

use super::action::invalid;
use crate::backups::remote::{self, BackupFacts, Read, VolumeFacts};
use crate::backups::{Backups, is_at};
use crate::error::{ApiError, ErrorKind};
use crate::recurring::saved;
use crate::resources::backup::{LABEL_ACCESS_MODE, LABEL_RECURRING_JOBS};
use crate::resources::volume::VolumeSpec;
use crate::resources::{BackupTarget, Object, Volume};
use crate::settings::{Name, Settings};
use crate::store::Store;

/// What the store says of it.
pub(super) struct Origin {
    pub(super) volume: VolumeFacts,
    backup: BackupFacts,
}

/// None for a volume of no backup. What the wish leaves open is taken from the backup: size, target, access mode, backing image, and for
/// a volume that is to follow it the size of its blocks.
pub(super) async fn of(
    store: &Store,
    backups: &Backups,
    input: &mut VolumeCreateInput,
) -> Result<Option<Origin>, ApiError> {
    if input.from_backup.is_empty() {
        return Ok(None);
    }
    if !input.data_source.is_empty() {
        let message = "a volume is made of a backup or of another volume, not of both";
        return Err(invalid(message, "Leave fromBackup or dataSource out."));
    }
    let url: BackupUrl = input
        .from_backup
        .parse()
        .map_err(|error| invalid(format_args!("fromBackup can't be used: {error}"), "Give the url of a backup."))?;
    let (Some(backup), Some(volume)) = (&url.backup, &url.volume) else {
        let message = format_args!("fromBackup {:?} names no backup of a volume", input.from_backup);
        return Err(invalid(message, "It ends with ?backup=<backup>&volume=<volume>."));
    };
    let target = target(store, &input.backup_target_name, &url).await?;
    let opened = backups.store(target.name(), &target.spec).await?;
    let record = remote::volume(&opened, volume, "").await?;
    let volume = match record {
        Some((_, Read::Is(facts))) => facts,
        Some((_, Read::Damaged(fault))) => return Err(fault.into()),
        Some((_, Read::Unchanged)) | None => {
            let message = format_args!("there is no volume {volume} in backup target {}", target.name());
            return Err(ApiError::new(ErrorKind::NotFound, message, "GET /v1/backupvolumes lists them."));
        }
    };
    let backup = remote::backup(&opened, url.volume.as_deref().unwrap_or_default(), backup).await?;
    fill(input, &target, &volume, &backup);
    Ok(Some(Origin { volume, backup }))
}

/// Credentials belong to targets: an address that is none of theirs has none.
async fn target(store: &Store, named: &str, url: &BackupUrl) -> Result<Object<BackupTarget>, ApiError> {
    let wanted = &url.target;
    let targets = store.list::<BackupTarget>().await?;
    let is_there = |target: &&Object<BackupTarget>| is_at(&target.spec.backup_target_url, wanted);
    let is_named = |target: &&Object<BackupTarget>| named.is_empty() || named == target.name();
    targets
        .iter()
        .find(|target| is_there(target) && is_named(target))
        .or_else(|| targets.iter().find(is_there))
        .cloned()
        .ok_or_else(|| {
            let message = format_args!("fromBackup is at {wanted}, which is the address of no backup target");
            ApiError::new(ErrorKind::Conflict, message, "Add a backup target with this address, then try again.")
        })
}

fn fill(input: &mut VolumeCreateInput, target: &Object<BackupTarget>, volume: &VolumeFacts, backup: &BackupFacts) {
    // Longhorn's clients send the schema's default along; what there is to be restored has a size.
    input.size = SizeText(volume.size.to_string());
    if input.backup_target_name.is_empty() || input.standby {
        target.name().clone_into(&mut input.backup_target_name);
    }
    if input.backing_image.is_empty() {
        input.backing_image.clone_from(&volume.backing_image_name);
    }
    if let Some(mode) = backup.labels.get(LABEL_ACCESS_MODE).filter(|_| input.access_mode.text().is_empty()) {
        input.access_mode = mode.clone().into();
    }
    if input.standby && backup.block_size > 0 {
        input.backup_block_size = SizeText(backup.block_size.to_string());
    }
}

impl Origin {
    /// What can't be restored here.
    pub(super) fn check(&self, spec: &VolumeSpec) -> Result<(), ApiError> {
        let ByteSize(size) = spec.size;
        if size < self.volume.size {
            let message = format_args!("a volume of {size} bytes can't hold a backup of {} bytes", self.volume.size);
            return Err(invalid(message, "Leave size out: it is the backup's."));
        }
        Ok(())
    }

    /// The recurring jobs that the backup tells of, where the volume or the setting wants them.
    pub(super) async fn bring_jobs(
        &self,
        store: &Store,
        settings: &Settings,
        volume: &mut Object<Volume>,
    ) -> Result<(), ApiError> {
        let is_wanted = settings.flag(Name::RestoreVolumeRecurringJobs);
        if !volume.spec.restore_volume_recurring_job.or_setting(is_wanted) {
            return Ok(());
        }
        let told =
            self.backup.labels.get(LABEL_RECURRING_JOBS).or_else(|| self.volume.labels.get(LABEL_RECURRING_JOBS));
        match told {
            Some(told) => saved::bring_back(store, settings, told, volume).await,
            None => Ok(()),
        }
    }
}
