//! What a restore does with the layers of the volume, each step under a barrier and durable on all members.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::barrier::{CHAIN_MAXIMUM, NewSnapshot, OperationError, now};
use super::super::exclusive_work::Work;
use super::super::status::chain_length;
use super::super::{Shared, Volume};
use super::marks::{BackupName, Mark, Marks};
use super::plan::Plan;
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::frontend::BlockDevice;
use crate::link::control::{ControlReply, ControlRequest};

/// A volume whose head is ready to take the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) previous: Option<BackupName>,
    /// Nothing is there, also no backing file.
    pub(super) is_empty: bool,
    pub(super) resumed: bool,
    /// The snapshot that shows the backing file and nothing else, if the volume stands on one and holds a backup.
    pub(super) image_alone: Option<String>,
}

impl Volume {
    /// Makes the head ready for the blocks of a backup of a volume of `size` bytes. `None`: the volume is that backup.
    pub(super) async fn make_ready(&self, wanted: &BackupName, size: u64) -> Result<Option<Ready>, OperationError> {
        let shared = &self.shared;
        let marks = shared.settled_marks().await?;
        let bottom = marks.idle.last().cloned();
        let plan = Plan::of(marks, wanted, &shared.name)?;
        if let Plan::Nothing { .. } = plan {
            return Ok(None);
        }
        let stands_on_image = !shared.backing_file().await?.is_empty();
        let image_alone = bottom.filter(|_| stands_on_image && plan.previous().is_some());
        if stands_on_image && plan.previous().is_some() && image_alone.is_none() {
            return Err(shared.image_is_hidden(wanted));
        }
        if let Plan::Instead { marker, from } = &plan {
            self.go_back(from.as_ref().unwrap_or(marker)).await?;
            if from.is_some() {
                self.drop_snapshots(vec![marker.snapshot.clone()]).await?;
            }
        }
        let size = size.div_ceil(BLOCK_SIZE) * BLOCK_SIZE;
        if size > shared.size() {
            let volume = self.clone();
            self.operation(async move { volume.shared.grow(size).await }).await?;
        }
        let resumed = matches!(plan, Plan::Resume { .. });
        if !resumed {
            self.take("restoring", wanted.restoring()).await?;
        }
        crash_point::reached("restore.marked");
        let is_empty = plan == Plan::Full && !stands_on_image;
        Ok(Some(Ready { previous: plan.previous().map(|mark| mark.of.clone()), is_empty, resumed, image_alone }))
    }

    /// All blocks are written: the volume becomes the backup. Returns the snapshot that holds it.
    pub(super) async fn complete(&self, restored: &BackupName) -> Result<String, OperationError> {
        self.flush().await.map_err(|error| OperationError::Failed(error.message))?;
        crash_point::reached("restore.flushed");
        let snapshot = self.take("restored", restored.restored()).await?;
        crash_point::reached("restore.taken");
        Ok(snapshot)
    }

    /// Marks as removed what no restore needs any more. Whether there was any.
    pub(super) async fn drop_older(&self) -> Result<bool, OperationError> {
        let older = self.shared.settled_marks().await?.older;
        let any = !older.is_empty();
        if any {
            self.drop_snapshots(older).await?;
        }
        crash_point::reached("restore.older-dropped");
        Ok(any)
    }

    /// Takes a snapshot that tells about a restore. Limits that are meant for users' snapshots do not hold for it, since
    /// it replaces another one.
    async fn take(&self, what: &str, labels: BTreeMap<String, String>) -> Result<String, OperationError> {
        let name = format!("{what}-{}", uuid::Uuid::new_v4().simple());
        let wanted = NewSnapshot { name: name.clone(), labels, user_created: false, created: now() };
        let volume = self.clone();
        self.operation(async move {
            let shared = &volume.shared;
            let _only = shared.snapshotting.lock().await;
            let _everything = shared.equal_barrier().await?;
            shared.check_chain().await?;
            let NewSnapshot { name, labels, user_created, created } = wanted;
            shared.on_all(&ControlRequest::Snapshot { name, user_created, created, labels }).await
        })
        .await?;
        Ok(name)
    }

    async fn go_back(&self, to: &Mark) -> Result<(), OperationError> {
        let (volume, name) = (self.clone(), to.snapshot.clone());
        self.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.on_all(&ControlRequest::Revert { name, created: now() }).await
        })
        .await
    }

    async fn drop_snapshots(&self, snapshots: Vec<String>) -> Result<(), OperationError> {
        let volume = self.clone();
        self.operation(async move {
            let shared = &volume.shared;
            let _everything = shared.equal_barrier().await?;
            shared.mark_removed(snapshots).await?;
            shared.delete_removed_leaves().await
        })
        .await
    }
}

impl Shared {
    /// What the labels say, with nothing in flight and all members equal.
    async fn settled_marks(self: &Arc<Self>) -> Result<Marks, OperationError> {
        let _everything = self.equal_barrier().await?;
        self.refuse_while_joining(&format!("restore into volume {}", self.name))?;
        // Sizes differ from member to member: where one of them holds data, there is data.
        let told = self.layers_of_all().await;
        let mut marks = told.iter().filter(|layers| !layers.is_empty()).map(|layers| Marks::of(layers));
        let Some(first) = marks.next() else {
            return Err(OperationError::Failed("no replica tells its layers".to_owned()));
        };
        Ok(marks.fold(first, |all, one| Marks { has_other_data: all.has_other_data || one.has_other_data, ..all }))
    }

    async fn check_chain(&self) -> Result<(), OperationError> {
        let longest = self.layers_of_all().await.iter().map(|layers| chain_length(layers)).max().unwrap_or_default();
        if longest < CHAIN_MAXIMUM {
            return Ok(());
        }
        let message = format!(
            "volume {} has {longest} layers, the most that can be opened again; purge it before the next restore",
            self.name
        );
        Err(OperationError::Refused(message))
    }

    /// What a backup does not hold any more reads as the backing file, and nobody can tell what that shows.
    fn image_is_hidden(&self, wanted: &BackupName) -> OperationError {
        let message = format!(
            "volume {} stands on a backing file, and no snapshot is left that shows it alone; restore backup {} into a \
             new volume",
            self.name, wanted.backup
        );
        OperationError::Refused(message)
    }

    async fn backing_file(&self) -> Result<String, OperationError> {
        let asked = self.any_member(|link| async move { link.control(&ControlRequest::BackingFile).await });
        match asked.await? {
            ControlReply::BackingFile(path) => Ok(path),
            other => {
                Err(OperationError::Failed(format!("a question for the backing file was answered with {other:?}")))
            }
        }
    }

    /// Refuses what would change layers under a restore.
    pub(crate) fn refuse_while_restoring(&self, what: &str) -> Result<(), OperationError> {
        if self.work.running() != Some(Work::Restore) {
            return Ok(());
        }
        let message = format!(
            "a backup is being restored into volume {}; it is not possible to {what} now, try again when that is done",
            self.name
        );
        Err(OperationError::Refused(message))
    }

    /// Refuses to remove what tells that a restore is not complete, or what it stands on.
    pub(crate) fn refuse_needed_by_restore(&self, snapshot: &str) -> Result<(), OperationError> {
        self.refuse_while_restoring(&format!("delete snapshot {snapshot}"))?;
        let marks = Marks::of(&self.layers.get());
        match &marks.restoring {
            Some(marker) if marks.needed().contains(&snapshot) => Err(OperationError::Refused(format!(
                "the restore of backup {} into volume {} is not complete and needs snapshot {snapshot}; restore it again, \
                 or put the volume back to the backup before",
                marker.of.backup, self.name
            ))),
            _ => Ok(()),
        }
    }
}
