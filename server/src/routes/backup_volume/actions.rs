//! `backupList`, `backupListByVolume`, `backupGet`, `backupDelete`, `backupVolumeSync`.

use aurochs_api::action::NoInput;
use aurochs_api::backup::{Backup as BackupView, BackupInput};
use aurochs_api::backup_target::SyncBackupResource;
use aurochs_api::backup_volume::{BackupListByVolumeInput, BackupVolume as BackupVolumeView};
use aurochs_api::schema::{Collection, Resource};

use crate::backups::needed;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::StartedBy;
use crate::nouns::action::Target;
use crate::resources::backup::LABEL_BACKUP_VOLUME;
use crate::resources::{Backup, BackupVolume, Object};
use crate::routes::backup_target::request;
use crate::routes::shown;
use crate::view::envelope::{self, Links};
use crate::view::shown::resource;

async fn volume(target: &Target) -> Result<Object<BackupVolume>, ApiError> {
    let found = target.app.store.get::<BackupVolume>(&target.name).await;
    found.map_err(|error| shown::unknown::<BackupVolume>(error, &target.name))
}

/// Those of the volume, in this target, by name.
async fn backups(target: &Target, volume: &Object<BackupVolume>) -> Result<Vec<Object<Backup>>, ApiError> {
    let spec = &volume.spec;
    let mut found = target.app.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, &spec.volume_name).await?;
    found.retain(|backup| backup.target() == spec.backup_target_name);
    Ok(found)
}

fn collection(target: &Target, found: &[Object<Backup>]) -> Collection<Resource<BackupView>> {
    let rows = found.iter().map(|backup| resource(backup, Links::of(&target.url))).collect();
    envelope::collection("backup", &target.url, rows)
}

/// Answers with the volume's backups in this target.
pub async fn list(target: Target, _: NoInput) -> Result<Collection<Resource<BackupView>>, ApiError> {
    let found = backups(&target, &volume(&target).await?).await?;
    Ok(collection(&target, &found))
}

/// Answers with a volume's backups in all targets. The backup volume of the address is not looked at, as in Longhorn.
pub async fn list_by_volume(
    target: Target,
    input: BackupListByVolumeInput,
) -> Result<Collection<Resource<BackupView>>, ApiError> {
    let found = target.app.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, &input.name).await?;
    Ok(collection(&target, &found))
}

async fn find(target: &Target, name: &str) -> Result<Option<Object<Backup>>, ApiError> {
    let of = volume(target).await?;
    let found = target.app.store.find::<Backup>(name).await?;
    let is_of_it = |backup: &Object<Backup>| {
        backup.volume() == of.spec.volume_name && backup.target() == of.spec.backup_target_name
    };
    Ok(found.filter(is_of_it))
}

/// The backup of this name; 404 where the volume has none.
pub(super) async fn known(target: &Target, name: &str) -> Result<Object<Backup>, ApiError> {
    find(target, name).await?.ok_or_else(|| {
        let message = format_args!("backup volume {} has no backup named {name:?}", target.name);
        ApiError::new(ErrorKind::NotFound, message, "backupList tells their names.")
    })
}

/// Answers with the backup.
pub async fn get(target: Target, input: BackupInput) -> Result<Resource<BackupView>, ApiError> {
    let found = known(&target, &input.name).await?;
    Ok(resource(&found, Links::of(&target.url)))
}

/// The backup goes when it is gone from the target; what is not there is fine. Answers with the backup volume.
pub async fn delete(target: Target, input: BackupInput) -> Result<Resource<BackupVolumeView>, ApiError> {
    let of = volume(&target).await?;
    if let Some(found) = find(&target, &input.name).await? {
        if let Some(volume) = needed::by(&target.app.store, &found).await? {
            let message =
                format_args!("backup {} is not deleted: volume {volume} still gets its data from it", input.name);
            let next_step =
                "Keep that volume attached until all of it is there (remoteSize is 0), or delete it, first.";
            return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
        }
        let by = StartedBy::User(target.user.clone());
        target.app.jobs.expect(keys::backup_deletion(found.name()), by);
        match target.app.store.delete::<Backup>(found.name()).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => tracing::info!(backup = found.name(), "deletion of a backup asked for"),
        }
    }
    Ok(resource(&of, Links::of(&target.url)))
}

/// Answers with the backup volume; what is read shows a moment later.
pub async fn sync(target: Target, input: SyncBackupResource) -> Result<Resource<BackupVolumeView>, ApiError> {
    let found = match input.sync_backup_volume {
        true => request::volume(&target.app.store, &target.name).await,
        false => target.app.store.get::<BackupVolume>(&target.name).await,
    };
    let found = found.map_err(|error| shown::unknown::<BackupVolume>(error, &target.name))?;
    Ok(resource(&found, Links::of(&target.url)))
}
