//! Backups of the system that are made here, and those that go.
//!
//! ```text
//!  "" ──► CreatingVolumeBackups ──► CreatingBackingImageBackups ──► Generating ──► Uploading ──► Ready
//!                 │                                                                    │           ▲
//!                 └───────────────────────────► Error ◄────────────────────────────────┘           │
//!  found in the target ──────────────────────────────────────────────────────► Syncing ────────────┘
//! ```
//! 1. [`volumes`] — whose volumes are backed up first, by the policy, and how far that is;
//! 2. [`store`] — the resources as a zip, into the target;
//! 3. [`sync`] — resources for what is in the target, whoever made it;
//! 4. [`delete`] — removes one from the target.
//!
//! Nothing that matters is remembered: a volume's backup for a system backup has a name that follows from both, and a zip
//! that was stored is known again by its checksum, which is in the status before. So a manager that ends anywhere makes nothing twice
//! and takes nobody else's for its own.

mod delete;
mod store;
pub mod sync;
mod volumes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_api::backup_target::DEFAULT;
use aurochs_api::condition::ConditionStatus;
use tokio::task::JoinHandle;

use self::volumes::Step;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::backups::Fault;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup_target::CONDITION_UNAVAILABLE;
use crate::resources::system_backup::{CONDITION_ERROR, SystemBackupState, SystemBackupStatus};
use crate::resources::{BackupTarget, Object, SystemBackup, condition, timestamp};
use crate::store::{Store, StoreError};
use crate::system;

/// How soon to look again at backups that are under way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// As long as Longhorn waits for the backups of the volumes, or for a target that can't be used.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Pause after a target that did not answer, doubled with each further time.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_LONGEST: Duration = Duration::from_secs(120);

struct Made {
    context: Context,
    /// Attempts in a row at which the target failed.
    failures: Mutex<HashMap<String, u32>>,
}

/// Keys are names of system backups.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let concerned = |backup: &Object<SystemBackup>| {
        let is_news = backup.is_deleting() || !backup.has_ended();
        if is_news { vec![backup.name().to_owned()] } else { Vec::new() }
    };
    let made = Made { context: context.clone(), failures: Mutex::default() };
    vec![
        runtime::feed_from_store::<SystemBackup>(&context.store, &queue, concerned),
        runtime::run(Arc::new(made), queue),
    ]
}

/// The one target that system backups are in, if it can be used; else why not.
async fn target(context: &Context) -> Result<Result<Object<BackupTarget>, String>, Error> {
    let found = context.store.find::<BackupTarget>(DEFAULT).await?.filter(|target| !target.is_deleting());
    let Some(target) = found else { return Ok(Err(format!("there is no backup target {DEFAULT}"))) };
    if target.spec.backup_target_url.is_empty() {
        return Ok(Err(format!("backup target {DEFAULT} has no address")));
    }
    if target.status.available && target.status.synced_url == target.spec.backup_target_url {
        return Ok(Ok(target));
    }
    let told = condition::find(&target.status.conditions, CONDITION_UNAVAILABLE);
    let why = told.map_or("it was not looked at yet", |told| told.message.as_str()).trim_end_matches('.');
    Ok(Err(format!("backup target {DEFAULT} can't be used: {why}")))
}

/// What stands against one that is asked for now; nothing when it can be made.
pub async fn obstacle(store: &Store) -> Result<Option<String>, StoreError> {
    let found = store.find::<BackupTarget>(DEFAULT).await?;
    Ok(match found {
        None => Some(format!("there is no backup target {DEFAULT}")),
        Some(target) if target.spec.backup_target_url.is_empty() => {
            Some(format!("backup target {DEFAULT} has no address"))
        }
        Some(target) if !target.status.available => Some(format!("backup target {DEFAULT} can't be used")),
        Some(_) => None,
    })
}

impl Controller for Made {
    const NAME: &'static str = "system-backup";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(backup) = self.context.store.find::<SystemBackup>(name).await? else {
            self.forget(name);
            return Ok(Next::Wait);
        };
        if backup.is_deleting() {
            return self.delete(&backup).await;
        }
        // One that was found is told of by who found it; one of our own has its end written here.
        let is_found = backup.version_in_target().is_some() && backup.status.checksum.is_empty();
        if backup.has_ended() || is_found {
            self.forget(name);
            return Ok(Next::Wait);
        }
        match self.advance(&backup).await {
            Err(Error::Target(fault)) if fault.is_transient => self.waits_for_target(&backup, &fault).await,
            Err(Error::Target(fault)) => self.fail(&backup, &fault.message, &fault.next_step).await,
            outcome => outcome,
        }
    }
}

impl Made {
    async fn advance(&self, backup: &Object<SystemBackup>) -> Result<Next, Error> {
        let waited = timestamp::age(&backup.status.started_at).unwrap_or_default();
        let target = match target(&self.context).await? {
            Ok(target) => target,
            Err(why) if waited >= PATIENCE => return self.fail(backup, &why, "Mend the target, then try again.").await,
            Err(why) => return self.waits(backup, &why, "Mend the target; it then goes on by itself.").await,
        };
        match backup.status.state {
            SystemBackupState::New => {
                let change = |status: &mut SystemBackupStatus| {
                    status.version = system::version().to_owned();
                    status.manager_image = system::manager_image();
                    status.owner_id = self.context.owner.to_string();
                    status.started_at = timestamp::now();
                    status.state = SystemBackupState::CreatingVolumeBackups;
                };
                let begun = self.context.store.modify_status::<SystemBackup>(backup.name(), change).await?;
                let message = format!("System backup {} is being made.", begun.name());
                self.context.events.emit(&ObjectRef::from(&begun), Reason::Start, EventType::Normal, &message);
                Ok(Next::After(Duration::ZERO))
            }
            SystemBackupState::CreatingVolumeBackups => self.back_volumes_up(backup, waited).await,
            // Images are backed up by themselves, not yet with the system.
            SystemBackupState::CreatingBackingImageBackups => self.enter(backup, SystemBackupState::Generating).await,
            SystemBackupState::Generating | SystemBackupState::Uploading => {
                let made = store::store(&self.context, &target, backup).await?;
                self.complete(backup, &made).await
            }
            // Left by another version: it begins anew.
            SystemBackupState::Syncing | SystemBackupState::Deleting => {
                self.enter(backup, SystemBackupState::CreatingVolumeBackups).await
            }
            SystemBackupState::Ready | SystemBackupState::Error => Ok(Next::Wait),
        }
    }

    async fn back_volumes_up(&self, backup: &Object<SystemBackup>, waited: Duration) -> Result<Next, Error> {
        let (step, amounts) = volumes::step(&self.context, backup).await?;
        let tell = |status: &mut SystemBackupStatus| {
            (status.planned_bytes, status.done_bytes) = (amounts.planned, amounts.done);
        };
        let backup = &self.context.store.modify_status::<SystemBackup>(backup.name(), tell).await?;
        match step {
            Step::Done => self.enter(backup, SystemBackupState::CreatingBackingImageBackups).await,
            Step::Failed { why, next_step } => self.fail(backup, &why, &next_step).await,
            Step::Waits(why) if waited >= PATIENCE => {
                let why = format!("the volumes' backups took more than {} hours: {why}", PATIENCE.as_secs() / 3600);
                self.fail(backup, &why, "They go on; make another system backup when they are complete.").await
            }
            Step::Waits(why) => self.waits(backup, &why, "").await,
        }
    }

    async fn enter(&self, backup: &Object<SystemBackup>, state: SystemBackupState) -> Result<Next, Error> {
        let change = |status: &mut SystemBackupStatus| {
            status.state = state;
            status.waits_for.clear();
            status.next_step.clear();
        };
        self.context.store.modify_status::<SystemBackup>(backup.name(), change).await?;
        Ok(Next::After(Duration::ZERO))
    }

    async fn waits(&self, backup: &Object<SystemBackup>, why: &str, next_step: &str) -> Result<Next, Error> {
        let change = |status: &mut SystemBackupStatus| {
            why.clone_into(&mut status.waits_for);
            next_step.clone_into(&mut status.next_step);
            // Its patience counts from the first look on.
            if status.started_at.is_empty() {
                status.started_at = timestamp::now();
            }
        };
        self.context.store.modify_status::<SystemBackup>(backup.name(), change).await?;
        Ok(Next::After(LOOK_AGAIN))
    }

    async fn waits_for_target(&self, backup: &Object<SystemBackup>, fault: &Fault) -> Result<Next, Error> {
        let waited = timestamp::age(&backup.status.started_at).unwrap_or_default();
        if waited >= PATIENCE {
            return self.fail(backup, &fault.message, &fault.next_step).await;
        }
        self.waits(backup, &format!("{fault}; it is tried again by itself"), &fault.next_step).await?;
        Ok(Next::After(self.pause(backup.name())))
    }

    async fn complete(&self, backup: &Object<SystemBackup>, made: &store::Made) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        // The label first: who finds it without its end sees it as it is in the target.
        context.store.modify::<SystemBackup>(name, |backup| sync::label(backup, &made.version)).await?;
        let change = |status: &mut SystemBackupStatus| {
            status.state = SystemBackupState::Ready;
            status.created_at.clone_from(&made.created_at);
            status.ended_at = timestamp::now();
            status.last_synced_at = timestamp::now();
            status.waits_for.clear();
            status.next_step.clear();
            condition::set(&mut status.conditions, CONDITION_ERROR, ConditionStatus::False, "", "");
        };
        let ended = context.store.modify_status::<SystemBackup>(name, change).await?;
        let message = format!("System backup {name} is complete in {DEFAULT}.");
        context.events.emit(&ObjectRef::from(&ended), Reason::Uploaded, EventType::Normal, &message);
        self.forget(name);
        Ok(Next::Wait)
    }

    async fn fail(&self, backup: &Object<SystemBackup>, why: &str, next_step: &str) -> Result<Next, Error> {
        let (context, name) = (&self.context, backup.name());
        let change = |status: &mut SystemBackupStatus| {
            status.state = SystemBackupState::Error;
            status.ended_at = timestamp::now();
            status.waits_for.clear();
            next_step.clone_into(&mut status.next_step);
            let reason = "Failed";
            condition::set(&mut status.conditions, CONDITION_ERROR, ConditionStatus::True, reason, why);
        };
        let ended = context.store.modify_status::<SystemBackup>(name, change).await?;
        let message = format!("System backup {name} was not made: {why}.");
        context.events.emit(&ObjectRef::from(&ended), Reason::FailedCreating, EventType::Warning, &message);
        self.forget(name);
        Ok(Next::Wait)
    }

    fn forget(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// After one more attempt at which the target failed.
    fn pause(&self, name: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.to_owned()).or_default();
        *count += 1;
        PAUSE_FIRST.saturating_mul(1 << (*count - 1).min(16)).min(PAUSE_LONGEST)
    }
}
