//! What becomes of a backup.

use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::engine_v1::BackupStatus as Told;

use super::run::note_progress;
use super::{Made, last_backup, purpose};
use crate::controllers::Error;
use crate::controllers::backup_target::sync;
use crate::controllers::runtime::Next;
use crate::controllers::tickets;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup::{BackupState, BackupStatus};
use crate::resources::recurring_job::LABEL_MADE_BY;
use crate::resources::{Backup, BackupTarget, Object, Snapshot, timestamp};
use crate::settings::Name;

impl Made {
    /// All of it is in the target.
    pub(super) async fn complete(&self, backup: &Object<Backup>, told: &Told) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let change = |status: &mut BackupStatus| {
            note_progress(status, backup, told);
            (status.state, status.progress) = (BackupState::Completed, 100);
            status.done_bytes = ByteSize(told.planned_bytes.max(told.done_bytes));
            status.error.clear();
            status.next_step.clear();
            status.size = told.size_bytes.to_string();
            status.newly_upload_data_size = told.newly_uploaded_bytes.to_string();
            status.re_uploaded_data_size = told.re_uploaded_bytes.to_string();
            // Until the target's own record is read, a moment later.
            status.snapshot_created_at.clone_from(&told.started_at);
            status.backup_created_at.clone_from(&told.ended_at);
            status.ended_at = timestamp::now();
        };
        let ended = context.store.modify_status::<Backup>(name, change).await?;
        let message = format!("Backup {name} of {} is complete in {}.", backup.volume(), backup.target());
        context.events.emit(&ObjectRef::from(&ended), Reason::Created, EventType::Normal, &message);
        tickets::release(&context.store, backup.volume(), &purpose(backup)).await?;
        self.memory.forget(name);
        self.look_in_target(&ended).await?;
        self.give_up_snapshot(&ended).await?;
        Ok(Next::Wait)
    }

    /// What the target says of it is what is shown. If it does not answer now, it is read with the whole target.
    async fn look_in_target(&self, backup: &Object<Backup>) -> Result<(), Error> {
        let context = &self.context;
        match sync::one(context, backup.target(), backup.volume()).await {
            Ok(()) => {}
            Err(Error::Target(fault)) => {
                tracing::warn!(backup = backup.name(), %fault, "a backup was made, and its record is read later");
                let ask = |target: &mut Object<BackupTarget>| target.spec.sync_requested_at = timestamp::now();
                match context.store.modify::<BackupTarget>(backup.target(), ask).await {
                    Err(error) if !error.is_not_found() => return Err(error.into()),
                    _ => {}
                }
            }
            Err(error) => return Err(error),
        }
        last_backup::note_all(context, backup.target(), backup.volume()).await
    }

    /// The snapshot that a person's backup was made from, if it is not wanted besides. A recurring job looks after its own.
    async fn give_up_snapshot(&self, backup: &Object<Backup>) -> Result<(), Error> {
        let context = &self.context;
        let is_by_hand = !backup.spec.labels.contains_key(LABEL_MADE_BY);
        if is_by_hand && context.settings.flag(Name::AutoCleanupSnapshotAfterOnDemandBackupCompleted) {
            delete_snapshot(context, backup).await?;
        }
        Ok(())
    }

    pub(super) async fn fail(&self, backup: &Object<Backup>, why: &str, next_step: &str) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let change = |status: &mut BackupStatus| {
            status.state = BackupState::Error;
            why.clone_into(&mut status.error);
            next_step.clone_into(&mut status.next_step);
            status.volume_name = backup.volume().to_owned();
            status.backup_target_name = backup.target().to_owned();
            status.snapshot_name.clone_from(&backup.spec.snapshot_name);
            status.ended_at = timestamp::now();
        };
        let ended = context.store.modify_status::<Backup>(name, change).await?;
        let message = format!("Backup {name} of {} was not made: {why}.", backup.volume());
        context.events.emit(&ObjectRef::from(&ended), Reason::FailedCreating, EventType::Warning, &message);
        tickets::release(&context.store, backup.volume(), &purpose(backup)).await?;
        self.memory.forget(name);
        self.expire(&ended).await
    }
}

/// The snapshot that the backup was made from, if it is still its volume's.
pub(super) async fn delete_snapshot(
    context: &crate::controllers::Context,
    backup: &Object<Backup>,
) -> Result<(), Error> {
    let name = match backup.status.snapshot_name.as_str() {
        "" => &backup.spec.snapshot_name,
        _ => &backup.status.snapshot_name,
    };
    let found = context.store.find::<Snapshot>(name).await?;
    let Some(found) = found.filter(|found| found.spec.volume == backup.volume() && !found.is_deleting()) else {
        return Ok(());
    };
    tracing::info!(snapshot = found.name(), backup = backup.name(), "a backup's snapshot goes, as the settings say");
    match context.store.delete::<Snapshot>(found.name()).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
