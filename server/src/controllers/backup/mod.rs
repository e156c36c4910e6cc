//! Backups that are made here, and those that go.
//!
//! ```text
//!            its turn, attached, the engine begins        all blocks are there
//!  "" ──► Pending ───────────────────────────► InProgress ───────────────────► Completed ──► shown as the target has it
//!            ▲  │ backup-execution-timeout        │   │ the engine ended: it goes on, by the same name
//!            └──┼─────────────────────────────────┼───┘
//!               ▼                                 ▼ the engine tells why, or a person cancels
//!             Error ◄─────────────────────────────┘     (goes after failed-backup-ttl)
//! ```
//! 1. [`turn`] — whose turn it is, and what it waits for: pure;
//! 2. [`run`] — one step of one that is made; [`calls`] — what its engine is asked;
//! 3. [`end`] — what becomes of it; [`last_backup`] — what its volume shows of it;
//! 4. [`delete`] — removes it from its target.
//!
//! Nothing that matters is remembered: the engine knows what it sends, the store in the target what is there, and a backup that
//! broke off goes on under its name without sending again what is there.

mod calls;
mod delete;
mod end;
pub mod last_backup;
mod memory;
mod run;
#[cfg(test)]
mod tests;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use self::memory::Memory;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::tickets::{self, Purpose};
use super::{Context, Error};
use crate::resources::backup::BackupState;
use crate::resources::volume_attachment::AttacherType;
use crate::resources::{Backup, Object, timestamp};
use crate::settings::Name;

/// The volume's ticket is the backup's: it is there while the backup needs the engine.
#[must_use]
fn purpose(backup: &Object<Backup>) -> Purpose<'_> {
    Purpose { kind: AttacherType::BackupController, of: backup.name() }
}

pub(super) struct Made {
    context: Context,
    memory: Memory,
}

/// Keys are names of backups.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let concerned = |backup: &Object<Backup>| {
        let runs = backup.is_own() && !backup.has_ended();
        if runs || backup.is_deleting() { vec![backup.name().to_owned()] } else { Vec::new() }
    };
    vec![
        runtime::feed_from_store::<Backup>(&context.store, &queue, concerned),
        // For those that failed, and are kept for a while.
        runtime::resync::<Backup>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(Made { context: context.clone(), memory: Memory::default() }), queue),
    ]
}

impl Controller for Made {
    const NAME: &'static str = "backup";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(backup) = self.context.store.find::<Backup>(name).await? else {
            self.memory.forget(name);
            return Ok(Next::Wait);
        };
        if backup.is_deleting() {
            return self.delete(&backup).await;
        }
        if !backup.is_own() {
            return Ok(Next::Wait);
        }
        if backup.has_ended() {
            // Again, should a manager have ended between the end and this.
            tickets::release(&self.context.store, backup.volume(), &purpose(&backup)).await?;
            self.memory.forget(name);
            return self.expire(&backup).await;
        }
        self.advance(&backup).await
    }
}

impl Made {
    /// One that failed is shown for a while, then goes with what it left in the target. Not so one that was complete and
    /// whose record is damaged now: its data may be all there is, and a person may mend it.
    async fn expire(&self, backup: &Object<Backup>) -> Result<Next, Error> {
        let minutes = self.context.settings.number(Name::FailedBackupTtl);
        let was_complete = !backup.status.backup_created_at.is_empty();
        if backup.status.state != BackupState::Error || was_complete || minutes == 0 {
            return Ok(Next::Wait);
        }
        let kept = Duration::from_secs(minutes.saturating_mul(60));
        let age = timestamp::age(&backup.status.ended_at);
        if let Some(left) = age.and_then(|age| kept.checked_sub(age)).filter(|left| !left.is_zero()) {
            return Ok(Next::After(left));
        }
        tracing::info!(backup = backup.name(), minutes, "a failed backup has been shown for long enough");
        match self.context.store.delete::<Backup>(backup.name()).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(Next::Wait),
        }
    }
}
