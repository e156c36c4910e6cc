//! Removing the backup of an image: from its target, then the resource.
//!
//! Invariant: what is in a target is removed only for a backup whose deletion was asked for, never for one that is merely
//! forgotten here.

use std::time::Duration;

use super::ImageBackups;
use crate::backups::{Deletion, Fault, remote};
use crate::controllers::Error;
use crate::controllers::runtime::Next;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup::BackupState;
use crate::resources::backup_backing_image::BackupBackingImageStatus;
use crate::resources::{BackupBackingImage, BackupTarget, Object};

/// Pause before a removal is tried again.
const PAUSE: Duration = Duration::from_secs(30);

impl ImageBackups {
    pub(super) async fn delete(&self, backup: &Object<BackupBackingImage>) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        if !backup.is_only_forgotten() {
            match self.remove(backup).await {
                Ok(true) => {}
                Ok(false) => return Ok(Next::After(Deletion::pause())),
                Err(Error::Target(fault)) => return self.stays(backup, &fault).await,
                Err(error) => return Err(error),
            }
        }
        context.store.remove_finalizer::<BackupBackingImage>(name).await?;
        self.forget(name);
        Ok(Next::Wait)
    }

    /// False: there is no turn for it yet. Where its target has no address any more there is nothing that could be removed.
    async fn remove(&self, backup: &Object<BackupBackingImage>) -> Result<bool, Error> {
        let (context, spec) = (&self.context, &backup.spec);
        // An attempt that never began left nothing, and what else has the name is not its own.
        if spec.user_created && backup.status.url.is_empty() {
            return Ok(true);
        }
        let target = context.store.find::<BackupTarget>(&spec.backup_target_name).await?;
        let Some(target) = target.filter(|target| !target.spec.backup_target_url.is_empty()) else { return Ok(true) };
        if target.status.synced_url != target.spec.backup_target_url {
            return Err(Error::Target(Fault::moved(target.name())));
        }
        let tell = |status: &mut BackupBackingImageStatus| status.state = BackupState::Deleting;
        context.store.modify_status::<BackupBackingImage>(backup.name(), tell).await?;
        // Where volumes have their folders no image has one: the key is of no volume.
        let key = format!("backing image {}", spec.backing_image);
        let Some(_turn) = context.backups.deletion(target.name(), &key) else { return Ok(false) };
        let store = context.backups.store(target.name(), &target.spec).await?;
        remote::delete_backing_image(&store, &spec.backing_image).await?;
        let message = format!("The backup of backing image {} is removed from {}.", spec.backing_image, target.name());
        context.events.emit(&ObjectRef::from(backup), Reason::Delete, EventType::Normal, &message);
        Ok(true)
    }

    async fn stays(&self, backup: &Object<BackupBackingImage>, fault: &Fault) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let is_news = backup.status.error != fault.message;
        let change = |status: &mut BackupBackingImageStatus| {
            status.state = BackupState::Deleting;
            status.error.clone_from(&fault.message);
            status.next_step = format!("{} It is tried again by itself.", fault.next_step);
        };
        let told = context.store.modify_status::<BackupBackingImage>(name, change).await?;
        if is_news {
            let message = format!("Backup {name} could not be removed: {fault}.");
            context.events.emit(&ObjectRef::from(&told), Reason::FailedDeleting, EventType::Warning, &message);
        }
        Ok(Next::After(PAUSE))
    }
}
