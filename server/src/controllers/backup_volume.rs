//! Backup volumes: read again when asked for, and removed from their target with all of their backups.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::backup_target::{forget, sync};
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next, pause_after};
use super::{Context, Error};
use crate::backups::{Deletion, Fault, remote};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup::DELETE_CUSTOM_RESOURCE_ONLY;
use crate::resources::backup_volume::BackupVolumeStatus;
use crate::resources::{BackupTarget, BackupVolume, Object};

/// A target that does not answer is asked again after this at first, and up to sixteen times that.
const PAUSE_FIRST: Duration = Duration::from_secs(5);

struct BackupVolumes {
    context: Context,
    /// What failed, and how often in a row.
    failures: Mutex<HashMap<String, u32>>,
}

/// Keys are names of backup volumes.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    vec![
        runtime::feed_from_store::<BackupVolume>(&context.store, &queue, |volume| {
            let is_asked_for = volume.spec.sync_requested_at != volume.status.answered_request;
            if is_asked_for || volume.is_deleting() { vec![volume.name().to_owned()] } else { Vec::new() }
        }),
        runtime::run(Arc::new(BackupVolumes { context: context.clone(), failures: Mutex::default() }), queue),
    ]
}

impl Controller for BackupVolumes {
    const NAME: &'static str = "backup-volume";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let context = &self.context;
        let Some(volume) = context.store.find::<BackupVolume>(name).await? else {
            self.forget(name);
            return Ok(Next::Wait);
        };
        let spec = &volume.spec;
        let done = if volume.is_deleting() {
            self.delete(&volume).await
        } else if spec.sync_requested_at != volume.status.answered_request {
            let read = sync::one(context, &spec.backup_target_name, &spec.volume_name).await;
            // What was asked for is answered, be it with an error; that is there when the answer is.
            let told = match &read {
                Err(Error::Target(fault)) => Some(self.tell(&volume, fault).await?),
                _ => None,
            };
            let request = spec.sync_requested_at.clone();
            let change = |status: &mut BackupVolumeStatus| status.answered_request.clone_from(&request);
            match context.store.modify_status::<BackupVolume>(name, change).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
            match told {
                Some(next) => return Ok(next),
                None => read.map(|()| Next::Wait),
            }
        } else {
            Ok(Next::Wait)
        };
        match done {
            Ok(next) => {
                self.forget(name);
                Ok(next)
            }
            Err(Error::Target(fault)) => self.tell(&volume, &fault).await,
            Err(error) => Err(error),
        }
    }
}

impl BackupVolumes {
    fn forget(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Everything of the volume in the target, then what stood for it here.
    async fn delete(&self, volume: &Object<BackupVolume>) -> Result<Next, Error> {
        let (context, spec) = (&self.context, &volume.spec);
        let is_only_forgotten = volume.metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY);
        let target = context.store.find::<BackupTarget>(&spec.backup_target_name).await?;
        // Where its target has no address any more there is nothing that could be removed.
        let target = target.filter(|target| !target.spec.backup_target_url.is_empty() && !is_only_forgotten);
        if let Some(target) = target {
            // Its address was changed, and what showed the old one goes: nothing is removed at the new one in its name.
            if target.status.synced_url != target.spec.backup_target_url {
                return Err(Error::Target(Fault::moved(target.name())));
            }
            let Some(_turn) = context.backups.deletion(target.name(), &spec.volume_name) else {
                return Ok(Next::After(Deletion::pause()));
            };
            let store = context.backups.store(target.name(), &target.spec).await?;
            remote::delete_volume(&store, &spec.volume_name).await?;
            let message = format!("All backups of {} are removed from {}.", spec.volume_name, target.name());
            context.events.emit(&ObjectRef::from(volume), Reason::Delete, EventType::Normal, &message);
        }
        let in_step = context.backups.step(&spec.backup_target_name, &spec.volume_name).await;
        forget::volume(context, volume).await?;
        drop(in_step);
        super::backup::last_backup::note_all(context, &spec.backup_target_name, &spec.volume_name).await?;
        Ok(Next::Wait)
    }

    async fn tell(&self, volume: &Object<BackupVolume>, fault: &Fault) -> Result<Next, Error> {
        let (context, name) = (&self.context, volume.name());
        let failures = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let count = failures.entry(name.to_owned()).or_default();
            *count += 1;
            *count
        };
        let is_news = volume.status.messages.get("error") != Some(&fault.message);
        let change = |status: &mut BackupVolumeStatus| {
            status.messages.insert("error".to_owned(), fault.message.clone());
            // Read again in any case: the message stands in the way of what was read.
            status.record_version.clear();
        };
        context.store.modify_status::<BackupVolume>(name, change).await?;
        if !volume.is_deleting() {
            return Ok(Next::Wait);
        }
        if is_news {
            let message = format!("{fault}. {}", fault.next_step);
            context.events.emit(&ObjectRef::from(volume), Reason::FailedDeleting, EventType::Warning, &message);
        }
        Ok(Next::After(PAUSE_FIRST.saturating_mul(1 << failures.min(4)).max(pause_after(0))))
    }
}
