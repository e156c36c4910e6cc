//! `backupBackingImageCreate`: what is asked for here is done by the controller of these backups.

use aurochs_api::backing_image::{BackupBackingImageCreateInput, FileState};

use crate::controllers::backup_backing_image::sync;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::StartedBy;
use crate::nouns::action::Target;
use crate::resources::backup::BackupState;
use crate::resources::backup_backing_image::{BackupBackingImageSpec, BackupBackingImageStatus};
use crate::resources::{BackingImage, BackupBackingImage, BackupTarget, Object};
use crate::routes::shown;

/// Where a backup goes whose target nobody names.
const DEFAULT_TARGET: &str = "default";

/// One that could not be made is begun again.
pub(crate) async fn handle(target: Target, input: BackupBackingImageCreateInput) -> Result<(), ApiError> {
    let (store, name) = (&target.app.store, &target.name);
    let image = store.get::<BackingImage>(name).await.map_err(|error| shown::unknown::<BackingImage>(error, name))?;
    let conflict =
        |message: &dyn std::fmt::Display, next_step: &str| Err(ApiError::new(ErrorKind::Conflict, message, next_step));
    if !image.status.disk_file_status_map.values().any(|copy| copy.state == FileState::Ready) {
        let message = format_args!("backing image {name} is ready on no disk, so it can't be backed up");
        return conflict(&message, "Wait until one of its copies is ready.");
    }
    let to = Some(input.backup_target_name.as_str()).filter(|to| !to.is_empty()).unwrap_or(DEFAULT_TARGET);
    let Some(found) = store.find::<BackupTarget>(to).await?.filter(|found| !found.is_deleting()) else {
        let message = format_args!("there is no backup target {to}");
        return Err(ApiError::new(ErrorKind::Invalid, message, "GET /v1/backuptargets lists them."));
    };
    if found.spec.backup_target_url.is_empty() {
        let message = format_args!("backup target {to} has no address");
        return conflict(&message, "Give it one, or name another target.");
    }
    let mut wished = sync::resource(name, to, true);
    wished.spec.labels.extend([("longhorn.io/backing-image".to_owned(), name.clone())]);
    let key = keys::backup_backing_image(wished.name());
    target.app.jobs.expect(key, StartedBy::User(target.user.clone()));
    let Some(before) = store.find::<BackupBackingImage>(wished.name()).await? else {
        store.create(&wished).await?;
        tracing::info!(image = name, target = to, "a backup of a backing image is asked for");
        return Ok(());
    };
    match before.status.state {
        _ if before.is_deleting() => conflict(&"the backup that is there is being removed", "Try again in a moment."),
        BackupState::Completed => {
            let message = format_args!("backing image {name} is backed up to {to} already, as {}", before.name());
            conflict(&message, "An image never changes: one backup of it is enough. Delete it to make another one.")
        }
        BackupState::Error | BackupState::Unknown => again(&target, &before).await,
        _ => conflict(&format_args!("backing image {name} is being backed up to {to}"), "Wait until it is there."),
    }
}

async fn again(target: &Target, before: &Object<BackupBackingImage>) -> Result<(), ApiError> {
    let store = &target.app.store;
    let own = |backup: &mut Object<BackupBackingImage>| {
        backup.spec = BackupBackingImageSpec { user_created: true, ..backup.spec.clone() };
    };
    store.modify::<BackupBackingImage>(before.name(), own).await?;
    let anew = |status: &mut BackupBackingImageStatus| *status = BackupBackingImageStatus::default();
    store.modify_status::<BackupBackingImage>(before.name(), anew).await?;
    Ok(())
}
