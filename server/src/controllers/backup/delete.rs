//! Removing a backup: from its engine while it is made, from its target, then the resource.
//!
//! Invariant: what is in a target is removed only for a backup whose deletion was asked for, never for one that is merely
//! forgotten here ([`crate::controllers::backup_target::forget`]).

use super::{Made, calls, end, last_backup, purpose};
use crate::backups::{Deletion, Fault, remote};
use crate::controllers::Error;
use crate::controllers::backup_target::sync;
use crate::controllers::runtime::Next;
use crate::controllers::tickets;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup::{BackupState, BackupStatus};
use crate::resources::{Backup, BackupTarget, Object};
use crate::settings::Name;

/// What became of an attempt to remove a backup from its target.
enum Removal {
    /// It is not there, or nothing was ever put there.
    Done,
    /// It has no turn yet.
    Waits,
}

impl Made {
    pub(super) async fn delete(&self, backup: &Object<Backup>) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        if let Some(pause) = self.memory.pause(name) {
            return Ok(Next::After(pause));
        }
        if backup.is_own() && !backup.has_ended() {
            if let Some(engine) = calls::engine(context, backup.volume()).await? {
                calls::cancel(context, &engine, backup.name_in_target()).await?;
            }
            tickets::release(&context.store, backup.volume(), &purpose(backup)).await?;
        }
        if !backup.is_only_forgotten() {
            match self.remove(backup).await {
                Ok(Removal::Done) => {}
                Ok(Removal::Waits) => return Ok(Next::After(Deletion::pause())),
                Err(Error::Target(fault)) => return self.stays(backup, &fault).await,
                Err(error) => return Err(error),
            }
            if context.settings.flag(Name::AutoCleanupWhenDeleteBackup) {
                end::delete_snapshot(context, backup).await?;
            }
        }
        let in_step = context.backups.step(backup.target(), backup.volume()).await;
        context.store.remove_finalizer::<Backup>(name).await?;
        drop(in_step);
        self.memory.forget(name);
        if backup.is_only_forgotten() {
            return last_backup::note_all(context, backup.target(), backup.volume()).await.map(|()| Next::Wait);
        }
        // The volume's record has changed, too; if it can't be read now, it is with the whole target.
        match sync::one(context, backup.target(), backup.volume()).await {
            Ok(()) | Err(Error::Target(_)) => {}
            Err(error) => return Err(error),
        }
        last_backup::note_all(context, backup.target(), backup.volume()).await?;
        Ok(Next::Wait)
    }

    /// Where its target has no address any more there is nothing that could be removed.
    async fn remove(&self, backup: &Object<Backup>) -> Result<Removal, Error> {
        let context = &self.context;
        // An attempt that never began left nothing.
        if backup.is_own() && backup.status.started_at.is_empty() && backup.status.record_version.is_empty() {
            return Ok(Removal::Done);
        }
        let target = context.store.find::<BackupTarget>(backup.target()).await?;
        let Some(target) = target.filter(|target| !target.spec.backup_target_url.is_empty()) else {
            return Ok(Removal::Done);
        };
        // Its address was changed, and the resources of the old one go: nothing is removed at the new one in their name.
        if target.status.synced_url != target.spec.backup_target_url {
            return Err(Error::Target(Fault::moved(target.name())));
        }
        let tell = |status: &mut BackupStatus| status.state = BackupState::Deleting;
        context.store.modify_status::<Backup>(backup.name(), tell).await?;
        let Some(_turn) = context.backups.deletion(target.name(), backup.volume()) else { return Ok(Removal::Waits) };
        let store = context.backups.store(target.name(), &target.spec).await?;
        remote::delete_backup(&store, backup.volume(), backup.name_in_target()).await?;
        let message = format!("Backup {} of {} is removed from {}.", backup.name(), backup.volume(), target.name());
        context.events.emit(&ObjectRef::from(backup), Reason::Delete, EventType::Normal, &message);
        Ok(Removal::Done)
    }

    async fn stays(&self, backup: &Object<Backup>, fault: &Fault) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        self.memory.note_failure(name);
        let is_news = backup.status.error != fault.message;
        let change = |status: &mut BackupStatus| {
            status.state = BackupState::Deleting;
            status.error.clone_from(&fault.message);
            status.next_step = format!("{} It is tried again by itself.", fault.next_step);
        };
        let told = context.store.modify_status::<Backup>(name, change).await?;
        if is_news {
            let message = format!("Backup {name} could not be removed: {fault}.");
            context.events.emit(&ObjectRef::from(&told), Reason::FailedDeleting, EventType::Warning, &message);
        }
        Ok(self.memory.pause(name).map_or(Next::Wait, Next::After))
    }
}
