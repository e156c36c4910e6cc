//! `backingImageCleanup`

use aurochs_api::backing_image::{BackingImage as BackingImageView, BackingImageCleanupInput};
use aurochs_api::schema::Resource;

use crate::error::{ApiError, ErrorKind};
use crate::nouns::action::Target;
use crate::resources::{BackingImage, Object, Replica};
use crate::routes::shown;
use crate::view::envelope::Links;
use crate::view::shown as view;

/// Takes copies from disks. One that a replica stands on stays, and so does the last one.
pub(crate) async fn handle(
    target: Target,
    input: BackingImageCleanupInput,
) -> Result<Resource<BackingImageView>, ApiError> {
    let (store, name) = (&target.app.store, &target.name);
    let image = store.get::<BackingImage>(name).await.map_err(|error| shown::unknown::<BackingImage>(error, name))?;
    if input.disks.is_empty() {
        let message = format_args!("no disk is named from which the copy of backing image {name} is to go");
        return Err(ApiError::new(ErrorKind::Invalid, message, "Give disks: the keys of diskFileStatusMap."));
    }
    let replicas = store.list_shared::<Replica>().await?;
    for uuid in &input.disks {
        if !image.spec.disk_file_spec_map.contains_key(uuid) && !image.status.disk_file_status_map.contains_key(uuid) {
            let message = format_args!("backing image {name} is on no disk {uuid}");
            return Err(ApiError::new(ErrorKind::Invalid, message, "Give keys of diskFileStatusMap."));
        }
        let user = replicas.iter().find(|one| one.spec.backing_image == *name && one.spec.disk_id == *uuid);
        if let Some(user) = user {
            let message = format_args!(
                "the copy of backing image {name} on disk {uuid} stays: replica {} of volume {} stands on it",
                user.name(),
                user.spec.volume_name
            );
            return Err(ApiError::new(ErrorKind::Conflict, message, "Move or delete that replica first."));
        }
    }
    let stays = |uuid: &&String| image.is_ready_on(uuid) && !input.disks.contains(uuid);
    let goes = input.disks.iter().any(|uuid| image.is_ready_on(uuid));
    if goes && !image.status.disk_file_status_map.keys().any(|uuid| stays(&uuid)) {
        let message = format_args!("backing image {name} would be on no disk any more");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Leave one copy, or delete the image."));
    }
    let change = |image: &mut Object<BackingImage>| {
        image.spec.disk_file_spec_map.retain(|uuid, _| !input.disks.contains(uuid));
    };
    let changed = store.modify::<BackingImage>(name, change).await?;
    tracing::info!(image = name, disks = ?input.disks, "copies are to go");
    Ok(view::resource(&changed, Links::of(&target.url)))
}
