//! Takes resources of backups away, and leaves everything that is in the store.

use crate::controllers::{Context, Error, system_backup};
use crate::resources::backup::{DELETE_CUSTOM_RESOURCE_ONLY, LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};
use crate::resources::{Backup, BackupBackingImage, BackupVolume, Kind, Object};

/// Value of the label on what is about to be forgotten here. A person who wants that writes `true`, as Longhorn does.
const MARK: &str = "forgotten";

/// Takes the mark back from one that is not forgotten after all: a manager ended between the two steps.
pub(super) async fn unmark<K: Kind>(context: &Context, object: &Object<K>) -> Result<(), Error> {
    let is_marked = |object: &Object<K>| {
        object.metadata.labels.get(DELETE_CUSTOM_RESOURCE_ONLY).is_some_and(|mark| mark == MARK)
            && !object.is_deleting()
    };
    if !is_marked(object) {
        return Ok(());
    }
    let change = |object: &mut Object<K>| {
        if is_marked(object) {
            object.metadata.labels.remove(DELETE_CUSTOM_RESOURCE_ONLY);
        }
    };
    match context.store.modify::<K>(object.name(), change).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// One that is made here is ended by its controller first.
pub async fn backup(context: &Context, backup: &Object<Backup>) -> Result<(), Error> {
    mark::<Backup>(context, backup.name()).await?;
    remove::<Backup>(context, backup.name(), backup.is_own() && !backup.has_ended()).await
}

/// The backup volume, with all of its backups.
pub async fn volume(context: &Context, volume: &Object<BackupVolume>) -> Result<(), Error> {
    let spec = &volume.spec;
    for one in context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, &spec.volume_name).await? {
        if one.target() == spec.backup_target_name {
            backup(context, &one).await?;
        }
    }
    mark::<BackupVolume>(context, volume.name()).await?;
    remove::<BackupVolume>(context, volume.name(), false).await
}

/// The backup of a backing image; one that is being made is ended by its controller.
pub async fn backing_image(context: &Context, backup: &Object<BackupBackingImage>) -> Result<(), Error> {
    mark::<BackupBackingImage>(context, backup.name()).await?;
    remove::<BackupBackingImage>(context, backup.name(), true).await
}

/// Everything that this target's resources show.
pub async fn all_of(context: &Context, target: &str) -> Result<(), Error> {
    for one in context.store.list_labelled::<Backup>(LABEL_BACKUP_TARGET, target).await? {
        backup(context, &one).await?;
    }
    for one in context.store.list_labelled::<BackupVolume>(LABEL_BACKUP_TARGET, target).await? {
        volume(context, &one).await?;
    }
    for one in context.store.list_labelled::<BackupBackingImage>(LABEL_BACKUP_TARGET, target).await? {
        backing_image(context, &one).await?;
    }
    system_backup::sync::forget_all(context, target).await
}

/// From now on, its deletion is no deletion in the store.
pub(super) async fn mark<K: Kind>(context: &Context, name: &str) -> Result<(), Error> {
    let change = |object: &mut Object<K>| {
        let mark = || (DELETE_CUSTOM_RESOURCE_ONLY.to_owned(), MARK.to_owned());
        object.metadata.labels.extend([mark()]);
    };
    match context.store.modify::<K>(name, change).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

async fn remove<K: Kind>(context: &Context, name: &str, by_its_controller: bool) -> Result<(), Error> {
    if !by_its_controller {
        context.store.remove_finalizer::<K>(name).await?;
    }
    match context.store.delete::<K>(name).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
