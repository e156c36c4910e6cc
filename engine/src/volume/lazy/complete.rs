//! The last step: the volume is as any other.
//!
//! 1. Everything has left the map, so every replica has all data on its disk.
//! 2. Snapshots that rebuilds and expansions took meanwhile show only what was there at that time: nobody is to go back
//!    to them, and they are marked as removed before anybody could (L6).
//! 3. The replicas let go of their maps, and count as complete to everybody.

use std::collections::BTreeSet;

use super::super::Volume;
use super::super::barrier::OperationError;
use super::super::purge::IfPurging;
use super::super::status::snapshot_name;
use super::{Lazy, commit};
use crate::crash_point;
use crate::frontend::{IoError, IoErrorKind};

impl Volume {
    /// # Errors
    /// A replica joins, or no member could do it: it has to be tried again.
    pub(super) async fn complete_instantly(&self) -> Result<(), OperationError> {
        let failed = |error: IoError| OperationError::Failed(error.message);
        commit::commit(&self.shared).await.map_err(failed)?;
        let volume = self.clone();
        self.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.refuse_while_joining("complete the restore")?;
            if !shared.lazy.with(|remote| remote.blocks.is_complete()).unwrap_or(true) {
                return Err(OperationError::Failed("some blocks are still in the backup".to_owned()));
            }
            let live: BTreeSet<String> = shared
                .layers_of_all()
                .await
                .iter()
                .flatten()
                .filter(|layer| !layer.is_head && !layer.removed)
                .map(|layer| snapshot_name(&layer.file_name).to_owned())
                .collect();
            shared.mark_removed(live.into_iter().collect()).await?;
            shared.delete_removed_leaves().await?;
            crash_point::reached("lazy.snapshots-dropped");
            commit::retire(shared).await.map_err(failed)?;
            crash_point::reached("lazy.retired");
            shared.lazy.retired();
            Ok(())
        })
        .await?;
        tracing::info!(volume = self.name(), "all of the backup is here");
        if let Err(error) = self.purge(IfPurging::Skip).await {
            tracing::warn!(volume = self.name(), %error, "what rebuilds left below the head is not given back yet");
        }
        Ok(())
    }
}

impl Lazy {
    fn retired(&self) {
        let mut state = self.lock();
        state.remote = None;
        state.shown.complete();
        self.active.store(false, std::sync::atomic::Ordering::Release);
        drop(state);
        self.tell();
    }

    /// One that has not begun is given up; one that has goes on, since the volume may be in use.
    pub(in crate::volume) async fn cancel_beginning(&self) {
        if !self.is_active() {
            self.turn.send_modify(|turn| *turn += 1);
            drop(self.working.lock().await);
        }
    }

    /// Nothing is fetched any more, and what waits for it fails: the volume goes down. The map keeps what is not here.
    pub(in crate::volume) async fn end(&self, volume: &str) {
        let message = format!("volume {volume} is being detached");
        self.lock().over = Some(IoError::new(IoErrorKind::Shutdown, message));
        self.turn.send_modify(|turn| *turn += 1);
        self.tell();
        drop(self.working.lock().await);
    }
}
