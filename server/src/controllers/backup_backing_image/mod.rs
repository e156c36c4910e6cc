//! Backups of backing images: made from a disk that has the image, removed from their target, kept in step with it.
//!
//! ```text
//!            a node that has the image sends it        all blocks are there
//!  "" ──► Pending ───────────────────────► InProgress ───────────────────► Completed
//!            ▲                                 │ the node or the target fails: again, by the same name
//!            └─────────────────────────────────┤
//!                                              ▼ for good, or a person cancels
//!                                            Error
//! ```
//! A pass lasts as long as the sending: whoever sends ends when nobody listens, and a manager that comes back begins again;
//! what is in the target is not sent again. [`run`] makes them, [`delete`] removes them, [`sync`] shows what is there.

mod delete;
mod run;
pub mod sync;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::resources::backup::BackupState;
use crate::resources::{BackupBackingImage, BackupTarget, Object};

struct ImageBackups {
    context: Context,
    /// Attempts in a row that failed, in this manager's life.
    failures: Mutex<HashMap<String, u32>>,
}

/// Keys are names of backups.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let backups = ImageBackups { context: context.clone(), failures: Mutex::default() };
    vec![
        runtime::feed_from_store::<BackupBackingImage>(&context.store, &queue, |one| vec![one.name().to_owned()]),
        feed_from_targets(context, &queue),
        runtime::resync::<BackupBackingImage>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(backups), queue),
    ]
}

/// What waits for a target goes on when that can be used.
fn feed_from_targets(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, store, queue) = (context.store.watch::<BackupTarget>(), context.store.clone(), queue.clone());
    tokio::spawn(async move {
        while let Some(event) = watch.next().await {
            let target = event.object().name().to_owned();
            let backups = store.list_shared::<BackupBackingImage>().await.unwrap_or_default();
            let waits = |state| matches!(state, BackupState::New | BackupState::Pending | BackupState::Deleting);
            let of_it = |one: &&Arc<Object<BackupBackingImage>>| one.spec.backup_target_name == target;
            for one in backups.iter().filter(of_it).filter(|one| waits(one.status.state)) {
                queue.add(one.name());
            }
        }
    })
}

impl Controller for ImageBackups {
    const NAME: &'static str = "backup-backing-image";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(backup) = self.context.store.find::<BackupBackingImage>(name).await? else {
            self.forget(name);
            return Ok(Next::Wait);
        };
        if backup.is_deleting() {
            return self.delete(&backup).await;
        }
        let is_over = matches!(backup.status.state, BackupState::Completed | BackupState::Error | BackupState::Unknown);
        if !backup.spec.user_created || is_over {
            self.forget(name);
            return Ok(Next::Wait);
        }
        self.make(&backup).await
    }
}

impl ImageBackups {
    fn note_failure(&self, name: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn forget(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
