//! Restores of the system: what is in a system backup becomes resources here.
//!
//! ```text
//!  "" ──► Pending ──► Downloading ──► Unpacking ──► Restoring ──► Completed
//!                          │              │             │
//!                          └──────────────┴─────────────┴──► Error
//! ```
//! 1. this file — a restore from its wish to its end; 2. [`parts`] — the order, and what becomes of each resource;
//! 3. [`volumes`] — volumes, from their last backups.
//!
//! Invariants:
//! - a volume that is there is never touched; what is there otherwise is changed to what the backup says, which is what
//!   Longhorn does, and the address that all of it is read from stays;
//! - what this restore did is marked on each resource with the moment at which it began: a manager that ends in the middle
//!   goes on, and what a person changed since is not changed back;
//! - it is complete when the volumes are made; that they are filled is the business of each, and shows there.

mod parts;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use aurochs_api::backup_target::DEFAULT;
use aurochs_api::condition::ConditionStatus;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::backups::Fault;
use crate::backups::remote::system as remote;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::system_backup::SystemBackupState;
use crate::resources::system_restore::{CONDITION_ERROR, SystemRestoreState, SystemRestoreStatus};
use crate::resources::{BackupTarget, Object, SystemBackup, SystemRestore, condition, timestamp};
use crate::system::found::{self, Found};

/// A target that does not answer is waited for as long.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Sentences that are kept of what was left out.
const TOLD_MAXIMUM: usize = 1000;

struct Restores {
    context: Context,
}

/// Keys are names of system restores.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let concerned = |restore: &Object<SystemRestore>| {
        if restore.has_ended() { Vec::new() } else { vec![restore.name().to_owned()] }
    };
    vec![
        runtime::feed_from_store::<SystemRestore>(&context.store, &queue, concerned),
        runtime::run(Arc::new(Restores { context: context.clone() }), queue),
    ]
}

impl Controller for Restores {
    const NAME: &'static str = "system-restore";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(restore) = self.context.store.find::<SystemRestore>(name).await? else { return Ok(Next::Wait) };
        if restore.has_ended() || restore.is_deleting() {
            return Ok(Next::Wait);
        }
        match self.advance(&restore).await {
            Err(Error::Target(fault)) => self.target_failed(&restore, &fault).await,
            outcome => outcome,
        }
    }
}

impl Restores {
    /// Begun again after a restart: the zip is read once more, and what was done is not done again.
    async fn advance(&self, restore: &Object<SystemRestore>) -> Result<Next, Error> {
        let (context, name) = (&self.context, restore.name());
        let restore = &self.begin(restore).await?;
        let Some((target, backup)) = self.source(restore).await? else { return Ok(Next::Wait) };
        self.enter(name, SystemRestoreState::Downloading).await?;
        let store = context.backups.store(target.name(), &target.spec).await?;
        let (version, in_target) = (backup.status.version.as_str(), backup.name_in_target());
        let url = remote::url(&store, version, in_target)?;
        let tell = |status: &mut SystemRestoreStatus| status.source_url.clone_from(&url);
        let restore = &context.store.modify_status::<SystemRestore>(name, tell).await?;
        let (_, zip) = remote::get(&store, version, in_target).await?;
        let message = format!("System backup {} is fetched from {}.", restore.spec.system_backup, target.name());
        context.events.emit(&ObjectRef::from(restore), Reason::Fetched, EventType::Normal, &message);
        self.enter(name, SystemRestoreState::Unpacking).await?;
        let found = match unpack(zip).await {
            Ok(found) => found,
            Err(why) => {
                let next_step = "Look at this system backup in the target; restore another one.";
                return self.fail(restore, &why, next_step).await;
            }
        };
        self.enter(name, SystemRestoreState::Restoring).await?;
        let left_out = parts::restore(context, restore, found).await?;
        self.complete(restore, left_out).await
    }

    async fn begin(&self, restore: &Object<SystemRestore>) -> Result<Object<SystemRestore>, Error> {
        let context = &self.context;
        if !restore.status.started_at.is_empty() {
            return Ok(restore.clone());
        }
        let change = |status: &mut SystemRestoreStatus| {
            status.state = SystemRestoreState::Pending;
            status.owner_id = context.owner.to_string();
            status.started_at = timestamp::now();
        };
        let begun = context.store.modify_status::<SystemRestore>(restore.name(), change).await?;
        let message = format!("System backup {} is being restored.", begun.spec.system_backup);
        context.events.emit(&ObjectRef::from(&begun), Reason::Start, EventType::Normal, &message);
        Ok(begun)
    }

    /// Where it is read from; none when it has failed for want of that.
    async fn source(
        &self,
        restore: &Object<SystemRestore>,
    ) -> Result<Option<(Object<BackupTarget>, Object<SystemBackup>)>, Error> {
        let store = &self.context.store;
        let wanted = &restore.spec.system_backup;
        let backup = store.find::<SystemBackup>(wanted).await?;
        let Some(backup) = backup.filter(|backup| backup.status.state == SystemBackupState::Ready) else {
            let why = format!("there is no system backup {wanted} that is complete");
            self.fail(restore, &why, "GET /v1/systembackups lists them.").await?;
            return Ok(None);
        };
        let target = store.find::<BackupTarget>(DEFAULT).await?;
        let Some(target) = target.filter(|target| !target.spec.backup_target_url.is_empty()) else {
            let why = format!("backup target {DEFAULT} has no address any more");
            self.fail(restore, &why, "Give it the address again, then restore again.").await?;
            return Ok(None);
        };
        Ok(Some((target, backup)))
    }

    async fn enter(&self, name: &str, state: SystemRestoreState) -> Result<(), Error> {
        let change = |status: &mut SystemRestoreStatus| {
            status.state = state;
            status.waits_for.clear();
            status.next_step.clear();
        };
        self.context.store.modify_status::<SystemRestore>(name, change).await?;
        Ok(())
    }

    async fn target_failed(&self, restore: &Object<SystemRestore>, fault: &Fault) -> Result<Next, Error> {
        let waited = timestamp::age(&restore.status.started_at).unwrap_or_default();
        if !fault.is_transient || waited >= PATIENCE {
            return self.fail(restore, &fault.message, &fault.next_step).await;
        }
        let change = |status: &mut SystemRestoreStatus| {
            status.waits_for = format!("{fault}; it is tried again by itself");
            status.next_step.clone_from(&fault.next_step);
        };
        self.context.store.modify_status::<SystemRestore>(restore.name(), change).await?;
        Ok(Next::After(LOOK_AGAIN))
    }

    async fn complete(&self, restore: &Object<SystemRestore>, mut left_out: Vec<String>) -> Result<Next, Error> {
        let (context, name) = (&self.context, restore.name());
        if left_out.len() > TOLD_MAXIMUM {
            let more = left_out.len() - TOLD_MAXIMUM;
            left_out.truncate(TOLD_MAXIMUM);
            left_out.push(format!("{more} more"));
        }
        let change = |status: &mut SystemRestoreStatus| {
            status.state = SystemRestoreState::Completed;
            status.ended_at = timestamp::now();
            status.left_out.clone_from(&left_out);
            status.waits_for.clear();
            status.next_step.clear();
        };
        let ended = context.store.modify_status::<SystemRestore>(name, change).await?;
        let object = ObjectRef::from(&ended);
        let message = format!("System backup {} is restored.", ended.spec.system_backup);
        context.events.emit(&object, Reason::Restored, EventType::Normal, &message);
        if !left_out.is_empty() {
            let message =
                format!("{} of what is in the backup is not restored; the restore tells each.", left_out.len());
            context.events.emit(&object, Reason::RolloutSkipped, EventType::Warning, &message);
        }
        Ok(Next::Wait)
    }

    async fn fail(&self, restore: &Object<SystemRestore>, why: &str, next_step: &str) -> Result<Next, Error> {
        let (context, name) = (&self.context, restore.name());
        let change = |status: &mut SystemRestoreStatus| {
            status.state = SystemRestoreState::Error;
            status.ended_at = timestamp::now();
            status.waits_for.clear();
            next_step.clone_into(&mut status.next_step);
            condition::set(&mut status.conditions, CONDITION_ERROR, ConditionStatus::True, "Restore", why);
        };
        let ended = context.store.modify_status::<SystemRestore>(name, change).await?;
        let message = format!("System backup {} was not restored: {why}.", ended.spec.system_backup);
        context.events.emit(&ObjectRef::from(&ended), Reason::FailedRestore, EventType::Warning, &message);
        Ok(Next::Wait)
    }
}

/// On a thread of its own: it may be hundreds of megabytes.
async fn unpack(zip: Bytes) -> Result<Found, String> {
    match tokio::task::spawn_blocking(move || found::read(&zip)).await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(format!("its zip could not be unpacked: {error}")),
    }
}
