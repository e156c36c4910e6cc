//! The image that a new volume stands on.
//!
//! Invariant: where a volume has no data of its own, the image shows through. So a copy stands on the image of its
//! source, and what is restored on the image that it was backed up on, known by its checksum.

use super::action::invalid;
use super::data_source;
use crate::backups::remote::VolumeFacts;
use crate::error::{ApiError, ErrorKind};
use crate::resources::volume::VolumeSpec;
use crate::resources::{BackingImage, Object, Volume};
use crate::store::Store;

/// What a copy of a volume stands on, where the wish does not say it.
pub(super) async fn of_source(store: &Store, data_source: &str) -> Result<String, ApiError> {
    let name = data_source::parse(data_source)?.volume;
    let source = store.find::<Volume>(name.as_str()).await?;
    Ok(source.map(|source| source.spec.backing_image).unwrap_or_default())
}

/// The image is there, and the volume can hold what it holds.
pub(crate) async fn check(store: &Store, spec: &VolumeSpec) -> Result<(), ApiError> {
    if !spec.data_source.is_empty() {
        let of_source = of_source(store, &spec.data_source).await?;
        if of_source != spec.backing_image {
            let stands = if of_source.is_empty() { "none".to_owned() } else { of_source };
            let message = format_args!(
                "a copy stands on the backing image of its source, which is {stands}, and not on {}",
                spec.backing_image
            );
            return Err(invalid(message, "Leave backingImage out."));
        }
    }
    if spec.backing_image.is_empty() {
        return Ok(());
    }
    let image = find(store, &spec.backing_image).await?;
    let needed = image.status.virtual_size;
    if needed > spec.size {
        let message =
            format_args!("a volume of {} can't stand on backing image {}, which has {needed}", spec.size, image.name());
        return Err(invalid(message, format_args!("Give size {} or more.", needed.bytes())));
    }
    Ok(())
}

async fn find(store: &Store, name: &str) -> Result<Object<BackingImage>, ApiError> {
    let Some(image) = store.find::<BackingImage>(name).await? else {
        return Err(invalid(format_args!("there is no backing image {name}"), "GET /v1/backingimages lists them."));
    };
    if image.is_deleting() {
        let message = format_args!("backing image {name} is being deleted");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Choose another one, or create it anew."));
    }
    Ok(image)
}

/// A backup holds what differs from the image below: only over the same content does it read as it did.
pub(crate) async fn check_origin(store: &Store, spec: &VolumeSpec, origin: &VolumeFacts) -> Result<(), ApiError> {
    let (wished, name) = (&spec.backing_image, &origin.backing_image_name);
    if name.is_empty() {
        return if wished.is_empty() {
            Ok(())
        } else {
            let message = format_args!(
                "the backup was made of a volume without a backing image; over {wished} it would not read as it did"
            );
            Err(invalid(message, "Leave backingImage out."))
        };
    }
    let Some(image) = store.find::<BackingImage>(wished).await? else {
        let message = format_args!("the backup was made of a volume on backing image {wished}, which is not here");
        let next_step = "Create that image first: from its backup (backupbackingimages), or from where it came from.";
        return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
    };
    let here = image.wished_checksum();
    let is_same = match (origin.backing_image_checksum.as_str(), here) {
        ("", _) => wished == name,
        (_, "") => {
            let message =
                format_args!("backing image {wished} is not ready, so nobody knows whether it is the backup's");
            return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until it is ready, then try again."));
        }
        (there, here) => there == here,
    };
    if is_same {
        return Ok(());
    }
    let message =
        format_args!("backing image {wished} does not hold what backing image {name} held when the backup was made");
    Err(invalid(message, "Give the image that it was made on, under whatever name."))
}
