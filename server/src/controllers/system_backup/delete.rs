//! Removing one from its target, then the resource.
//!
//! Invariant: what is in a target is removed only for one whose deletion was asked for, and that this installation has seen
//! there or stored there itself; never for one that is merely forgotten.

use aurochs_api::backup_target::DEFAULT;

use super::Made;
use crate::backups::Fault;
use crate::backups::remote::system as remote;
use crate::controllers::Error;
use crate::controllers::runtime::Next;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::system_backup::{SystemBackupState, SystemBackupStatus};
use crate::resources::{BackupTarget, Object, SystemBackup};

impl Made {
    pub(super) async fn delete(&self, backup: &Object<SystemBackup>) -> Result<Next, Error> {
        let name = backup.name();
        match self.remove(backup).await {
            Ok(()) => {
                self.context.store.remove_finalizer::<SystemBackup>(name).await?;
                self.forget(name);
                Ok(Next::Wait)
            }
            Err(Error::Target(fault)) => self.stays(backup, &fault).await,
            Err(error) => Err(error),
        }
    }

    /// Where its target has no address any more there is nothing that could be removed.
    async fn remove(&self, backup: &Object<SystemBackup>) -> Result<(), Error> {
        let context = &self.context;
        if backup.is_only_forgotten() {
            return Ok(());
        }
        let target = context.store.find::<BackupTarget>(DEFAULT).await?;
        let Some(target) = target.filter(|target| !target.spec.backup_target_url.is_empty()) else { return Ok(()) };
        let status = &backup.status;
        let version = match backup.version_in_target() {
            Some(version) => version.to_owned(),
            // It may have been stored by a manager that ended then; by its checksum it is known.
            None if !status.checksum.is_empty() => status.version.clone(),
            None => return Ok(()),
        };
        if target.status.synced_url != target.spec.backup_target_url {
            return Err(Fault::moved(target.name()).into());
        }
        context
            .store
            .modify_status::<SystemBackup>(backup.name(), |status| status.state = SystemBackupState::Deleting)
            .await?;
        let opened = context.backups.store(target.name(), &target.spec).await?;
        let name = backup.name_in_target();
        if backup.version_in_target().is_none() {
            match remote::inspect(&opened, &version, name).await {
                Ok(record) if record.checksum == status.checksum => {}
                Err(fault) if fault.is_transient => return Err(fault.into()),
                Ok(_) | Err(_) => return Ok(()),
            }
        }
        remote::delete(&opened, &version, name).await?;
        let message = format!("System backup {} is removed from {}.", backup.name(), target.name());
        context.events.emit(&ObjectRef::from(backup), Reason::Delete, EventType::Normal, &message);
        Ok(())
    }

    async fn stays(&self, backup: &Object<SystemBackup>, fault: &Fault) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let is_news = backup.status.waits_for != fault.message;
        let change = |status: &mut SystemBackupStatus| {
            status.state = SystemBackupState::Deleting;
            status.waits_for.clone_from(&fault.message);
            status.next_step = format!("{} It is tried again by itself.", fault.next_step);
        };
        let told = context.store.modify_status::<SystemBackup>(name, change).await?;
        if is_news {
            let message = format!("System backup {name} could not be removed: {fault}.");
            context.events.emit(&ObjectRef::from(&told), Reason::FailedDeleting, EventType::Warning, &message);
        }
        Ok(Next::After(self.pause(name)))
    }
}
