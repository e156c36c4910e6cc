//! The first step: an empty volume becomes one of which everything is remote. And going on, with a new engine or with
//! other credentials.

use std::sync::Arc;

use super::super::barrier::OperationError;
use super::super::exclusive_work::Work;
use super::super::restore::RestoreRequest;
use super::super::restore::marks::Marks;
use super::super::{Shared, Volume};
use super::map::Map;
use super::{InstantRestore, commit, request_of, worker};
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::replica::LayerInfo;

impl Volume {
    /// Begins to restore into the empty volume, which may be used as soon as the status says `instant`; or goes on with that,
    /// from the target given.
    ///
    /// # Errors
    /// [`OperationError::Refused`] where the volume holds data, is being restored from another backup, or while other work on
    /// the whole volume runs. What is wrong with the target or the backup is in the status later.
    pub(in crate::volume) async fn restore_instantly(
        &self,
        request: RestoreRequest,
        options: InstantRestore,
    ) -> Result<(), OperationError> {
        if let Some(refused) = self.shared.lazy.with(|remote| remote.map.differs_from(&request)) {
            if let Some(why) = refused {
                return Err(OperationError::Refused(format!("volume {} {why}", self.name())));
            }
            worker::start(self, request, options, None);
            return Ok(());
        }
        let guard = self.shared.work.begin(Work::Restore)?;
        // Once more later, under a barrier; this tells whoever asks at once.
        self.look_at_layers().await;
        self.shared.check_blank(&[self.shared.layers.get().to_vec()])?;
        self.shared.lazy.opens(&request);
        worker::start(self, request, options, Some(guard));
        self.shared.changed.tell();
        Ok(())
    }

    /// Whether the volume is in use, or may be, while blocks of it are still in a backup.
    #[must_use]
    pub fn is_restored_instantly(&self) -> bool {
        self.shared.lazy.is_active()
    }

    /// What an engine before this one began goes on by itself, where the target asks for no credentials; else it goes on
    /// when they are brought.
    pub(in crate::volume) async fn resume_lazily(&self, all_alike: bool) -> Result<(), String> {
        let Some(map) = self.shared.lazy.with(|remote| remote.map.clone()) else { return Ok(()) };
        if !all_alike {
            commit::introduce(&self.shared, &map).await.map_err(|error| error.message)?;
        }
        let request = request_of(&map)?;
        worker::start(self, request, InstantRestore::default(), None);
        Ok(())
    }

    /// Everything is remote from here on, durably on all members, and the volume may be used.
    pub(super) async fn begin_instantly(
        &self,
        map: Map,
        options: InstantRestore,
        size: u64,
    ) -> Result<(), OperationError> {
        let size = size.div_ceil(BLOCK_SIZE) * BLOCK_SIZE;
        let volume = self.clone();
        self.operation(async move {
            let shared = &volume.shared;
            if size > shared.size() {
                shared.grow(size).await?;
            }
            let _everything = shared.equal_barrier().await?;
            let what = format!("restore into volume {}", shared.name);
            shared.refuse_while_joining(&what)?;
            shared.refuse_while_filling(&what)?;
            shared.check_blank(&shared.layers_of_all().await)?;
            commit::introduce(shared, &map).await.map_err(|error| OperationError::Failed(error.message))?;
            crash_point::reached("lazy.introduced");
            shared.lazy.activate(map, options, false);
            Ok(())
        })
        .await
    }
}

impl Shared {
    /// A restore replaces all there is; that must be nothing.
    fn check_blank(self: &Arc<Self>, told: &[Vec<LayerInfo>]) -> Result<(), OperationError> {
        let mut members = told.iter().filter(|layers| !layers.is_empty()).map(|layers| Marks::of(layers)).peekable();
        if members.peek().is_none() {
            return Err(OperationError::Failed("no replica tells its layers".to_owned()));
        }
        if members.all(|marks| !marks.has_other_data && marks.restored.is_none() && marks.restoring.is_none()) {
            return Ok(());
        }
        let message = format!("volume {} holds data or snapshots; restore the backup into a new volume", self.name);
        Err(OperationError::Refused(message))
    }
}

impl Map {
    /// Why this is not the backup that the volume waits for; `None`: it is, as far as its name tells.
    fn differs_from(&self, request: &RestoreRequest) -> Option<String> {
        if self.volume == request.name.volume && self.backup == request.name.backup {
            return None;
        }
        Some(format!(
            "is being restored from backup {} of {:?} while it is in use; restore another backup into another volume",
            self.backup, self.volume
        ))
    }
}
