//! Asks the instance managers to make and remove files.

use aurochs_engine::grpc::instance_v1::image_prepare_request::Source;
use aurochs_engine::grpc::instance_v1::{Image, ImageCopy, ImagePlace, ImagePrepareRequest};

use super::super::{Context, Error};
use super::world::Disk;
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::{BackingImage, Object};

/// Where the image lies on a disk.
pub(super) fn place(image: &Object<BackingImage>, disk: &Disk) -> ImagePlace {
    ImagePlace {
        disk_path: disk.path.clone(),
        disk_uuid: disk.uuid.clone(),
        name: image.name().to_owned(),
        uuid: image.status.uuid.clone(),
    }
}

/// Has the file made, in the background.
pub(super) async fn make(
    context: &Context,
    image: &Object<BackingImage>,
    disk: &Disk,
    source: Source,
) -> Result<Image, Error> {
    let request = ImagePrepareRequest {
        place: Some(place(image, disk)),
        expected_checksum: image.wished_checksum().to_owned(),
        source: Some(source),
    };
    let asked = context.clients.manager(&disk.node)?.image_prepare(within(CHANGE_TIMEOUT, request)).await;
    let doing = format!("making backing image {} on disk {} of {}", image.name(), disk.name, disk.node);
    Ok(asked.map_err(rpc(doing))?.into_inner())
}

/// What another disk has.
pub(super) fn copy_of(context: &Context, image: &Object<BackingImage>, from: &Disk) -> Result<Source, Error> {
    let address = context.clients.address(&from.node)?;
    Ok(Source::Copy(ImageCopy { address, place: Some(place(image, from)) }))
}

/// Removes the file, and ends its being made.
pub(super) async fn remove(context: &Context, image: &Object<BackingImage>, disk: &Disk) -> Result<(), Error> {
    let request = within(CHANGE_TIMEOUT, place(image, disk));
    let removed = context.clients.manager(&disk.node)?.image_delete(request).await;
    let doing = format!("removing backing image {} from disk {} of {}", image.name(), disk.name, disk.node);
    removed.map_err(rpc(doing))?;
    Ok(())
}
