//! The end of an image: nobody stands on it, its files go, then its resources.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::Error;
use super::super::runtime::Next;
use super::world::{Disk, World};
use super::{BackingImages, files};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::{BackingImage, BackingImageDataSource, Object, Volume};

/// How soon to look again whether a node that has a file answers, or whether the last user is gone.
const PAUSE: Duration = Duration::from_secs(10);

impl BackingImages {
    pub(super) async fn remove(&self, image: &Object<BackingImage>) -> Result<Next, Error> {
        let (store, name) = (&self.context.store, image.name());
        let world = World::read(&self.context, image).await?;
        let volumes = store.list_shared::<Volume>().await?;
        // Whoever asked has made sure that there is none; one that came in between is not left without its data.
        if !world.needed.is_empty() || volumes.iter().any(|volume| volume.spec.backing_image == name) {
            return Ok(Next::After(PAUSE));
        }
        self.end_export(image).await?;
        let source = store.find::<BackingImageDataSource>(name).await?;
        let mut uuids: BTreeSet<&str> = image.spec.disk_file_spec_map.keys().map(String::as_str).collect();
        uuids.extend(image.status.disk_file_status_map.keys().map(String::as_str));
        uuids.extend(source.as_ref().map(|source| source.spec.disk_uuid.as_str()));
        let mut waits = world.is_early;
        for disk in uuids.iter().filter_map(|uuid| world.disks.get(*uuid)) {
            waits |= !self.remove_from(image, disk).await;
        }
        if waits {
            return Ok(Next::After(PAUSE));
        }
        if source.is_some() {
            match store.delete::<BackingImageDataSource>(name).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => store.remove_finalizer::<BackingImageDataSource>(name).await?,
            }
        }
        self.forget_job(name);
        store.remove_finalizer::<BackingImage>(name).await?;
        Ok(Next::Wait)
    }

    /// Whether the file is gone.
    async fn remove_from(&self, image: &Object<BackingImage>, disk: &Disk) -> bool {
        match files::remove(&self.context, image, disk).await {
            Ok(()) => true,
            Err(error) => {
                let message = format!("Backing image {} is not deleted yet: {error}.", image.name());
                self.context.events.emit(&ObjectRef::from(image), Reason::FailedDeleting, EventType::Warning, &message);
                false
            }
        }
    }
}
