//! Backup targets: whether they can be used, and resources that show what is in them.
//!
//! ```text
//!   no address ──address──► read ──► available ──pollInterval, or asked for──► read …
//!       ▲                     │
//!       └── address taken ────┴─ fails ──► unavailable, with the store's own words and what to do; read again after a pause
//! ```
//! 1. [`due`] — when it is to be read; 2. [`sync`] — what is there against what the resources show; 3. [`forget`] — takes
//!    resources away and leaves the data; 4. [`default`] — the one that is always there.
//!
//! Invariants:
//! - reading a target, changing its address and deleting it never touch what is in a store: only the deletion of a backup or a
//!   backup volume does;
//! - resources of one address are gone before those of another one come;
//! - a backup that is made here is nobody's to change but its controller's until it has ended.

pub mod default;
mod due;
pub mod forget;
pub mod sync;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::backups::Fault;
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::backup_target::{BackupTargetStatus, CONDITION_UNAVAILABLE};
use crate::resources::{BackupTarget, Object, condition, timestamp};

pub use default::ensure_default;
use due::{Attempt, Due};

struct Targets {
    context: Context,
    /// The last reading of each target, in this manager's life.
    attempts: Mutex<HashMap<String, Attempt>>,
}

/// Keys are names of targets.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    vec![
        runtime::feed_from_store::<BackupTarget>(&context.store, &queue, |target| vec![target.name().to_owned()]),
        runtime::resync::<BackupTarget>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(Targets { context: context.clone(), attempts: Mutex::default() }), queue),
    ]
}

impl Controller for Targets {
    const NAME: &'static str = "backup-target";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let context = &self.context;
        let Some(target) = context.store.find::<BackupTarget>(name).await? else {
            context.backups.close(name);
            self.attempts().remove(name);
            return Ok(Next::Wait);
        };
        if target.is_deleting() {
            return self.delete(&target).await;
        }
        let url = &target.spec.backup_target_url;
        if target.status.synced_url != *url && !target.status.synced_url.is_empty() {
            forget::all_of(context, name).await?;
            self.leave(&target, url).await?;
        }
        if url.is_empty() {
            // Also those that an earlier version, or a crash, left behind.
            forget::all_of(context, name).await?;
            context.store.modify_status::<BackupTarget>(name, default::tell_empty).await?;
            return Ok(Next::Wait);
        }
        let attempt = self.attempts().get(name).cloned();
        match due::decide(&target, attempt.as_ref()) {
            Due::Never => Ok(Next::Wait),
            Due::In(pause) => Ok(Next::After(pause)),
            Due::Now => self.read(&target).await,
        }
    }
}

impl Targets {
    fn attempts(&self) -> std::sync::MutexGuard<'_, HashMap<String, Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, target: &Object<BackupTarget>) -> Result<Next, Error> {
        let (context, name) = (&self.context, target.name());
        // However long it takes: each volume of it has its limit, and what was read of it is shown by then.
        let outcome = match sync::target(context, target, |keys| self.tell_available(target, keys)).await {
            Err(Error::Target(fault)) => Err(fault),
            Err(error) => return Err(error),
            Ok(()) => Ok(()),
        };
        let failures = match (&outcome, self.attempts().get(name)) {
            (Ok(()), _) => 0,
            (Err(_), before) => before.map_or(0, |before| before.failures) + 1,
        };
        let attempt = Attempt { at: Instant::now(), failures, of: due::Wish::of(target) };
        self.attempts().insert(name.to_owned(), attempt);
        match outcome {
            Ok(()) => self.note_end(target).await?,
            Err(fault) => {
                context.backups.close(name);
                self.tell_unavailable(target, &fault).await?;
            }
        }
        // What was asked for meanwhile, and when to look again.
        let target = context.store.get::<BackupTarget>(name).await?;
        let attempt = self.attempts().get(name).cloned();
        Ok(match due::decide(&target, attempt.as_ref()) {
            Due::Never => Next::Wait,
            Due::Now => Next::After(Duration::ZERO),
            Due::In(pause) => Next::After(pause),
        })
    }

    /// Availability first: whoever waits for the target goes on while its content is read.
    async fn tell_available(&self, target: &Object<BackupTarget>, keys: Vec<String>) -> Result<(), Error> {
        let context = &self.context;
        let url = &target.spec.backup_target_url;
        let change = |status: &mut BackupTargetStatus| {
            let kind = CONDITION_UNAVAILABLE;
            condition::set(&mut status.conditions, kind, ConditionStatus::False, "", "");
            status.available = true;
            status.causes.clear();
            status.synced_url.clone_from(url);
            status.credential_keys.clone_from(&keys);
            status.owner_id = context.owner.to_string();
        };
        let was_available = target.status.available;
        let told = context.store.modify_status::<BackupTarget>(target.name(), change).await?;
        if !was_available {
            let message = format!("Backup target {} at {url} can be used.", target.name());
            context.events.emit(&ObjectRef::from(&told), Reason::Ready, EventType::Normal, &message);
        }
        Ok(())
    }

    async fn note_end(&self, target: &Object<BackupTarget>) -> Result<(), Error> {
        let change = |status: &mut BackupTargetStatus| {
            status.last_synced_at = timestamp::now();
            status.answered_request.clone_from(&target.spec.sync_requested_at);
        };
        self.context.store.modify_status::<BackupTarget>(target.name(), change).await?;
        Ok(())
    }

    async fn tell_unavailable(&self, target: &Object<BackupTarget>, fault: &Fault) -> Result<(), Error> {
        let (context, name) = (&self.context, target.name());
        let message = format!("{fault}. {}", fault.next_step);
        let told = format!("Backup target {name} can't be used: {fault}.");
        let cause = Cause::new(CauseCode::BackupTargetUnavailable, Severity::Error, told, &fault.next_step);
        let cause = cause.about([name]);
        let keys = context.backups.credentials_of(&target.spec).map(|all| all.into_keys().collect::<Vec<_>>());
        let keys = keys.unwrap_or_default();
        let change = |status: &mut BackupTargetStatus| {
            let kind = CONDITION_UNAVAILABLE;
            condition::set(&mut status.conditions, kind, ConditionStatus::True, kind, &message);
            status.available = false;
            status.causes = vec![cause.clone()];
            status.answered_request.clone_from(&target.spec.sync_requested_at);
            status.credential_keys.clone_from(&keys);
            status.owner_id = context.owner.to_string();
        };
        let is_news = target.status.causes.first() != Some(&cause);
        let stored = context.store.modify_status::<BackupTarget>(name, change).await?;
        if is_news {
            context.events.emit(&ObjectRef::from(&stored), Reason::Failed, EventType::Warning, &cause.message);
        }
        Ok(())
    }

    /// What is in the store stays. Its credentials go, where they are nobody else's.
    async fn delete(&self, target: &Object<BackupTarget>) -> Result<Next, Error> {
        let (context, name) = (&self.context, target.name());
        forget::all_of(context, name).await?;
        let secret = &target.spec.credential_secret;
        let others = context.store.list::<BackupTarget>().await?;
        let is_shared = others.iter().any(|other| other.name() != name && other.spec.credential_secret == *secret);
        // One of another name was written by a person, who may want it for the next target.
        if secret == name && !is_shared {
            context.backups.credentials().let_go(secret)?;
        }
        self.leave(target, "").await?;
        context.store.remove_finalizer::<BackupTarget>(name).await?;
        Ok(Next::Wait)
    }

    /// What was read last is not used any more by this target, which has this address from now on.
    async fn leave(&self, target: &Object<BackupTarget>, next: &str) -> Result<(), Error> {
        let context = &self.context;
        context.backups.close(target.name());
        let all = context.store.list::<BackupTarget>().await?;
        let others = all.iter().filter(|other| other.name() != target.name());
        let wanted: Vec<&str> = others.map(|other| other.spec.backup_target_url.as_str()).chain([next]).collect();
        let before = [&target.status.synced_url, &target.spec.backup_target_url];
        // One that was never read may have been opened, too.
        if let Some(before) = before.into_iter().find(|before| !before.is_empty()) {
            context.backups.leave(before, &wanted).await;
        }
        Ok(())
    }
}
