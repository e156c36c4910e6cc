//! Backing up a snapshot of the running volume.
//!
//! [`list`] is what the status shows, [`source`] reads the snapshot, and the backup itself (`crate::backup::create`) runs on
//! threads of its own ([`super::transfer`]). Nothing here changes the volume.
//!
//! Invariant: **a backup that is complete holds what the snapshot shows, to the last byte**: every read is of that one
//! snapshot or fails ([`source::SnapshotSource`]), and whichever member answers, it shows the same.

pub(crate) mod list;
pub(super) mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Volume;
use super::barrier::OperationError;
use super::transfer::{self, Ended};
use crate::backup::block::Compression;
use crate::backup::create::create_with;
use crate::backup::lock::LockTimes;
use crate::backup::{BackupError, CreateRequest, Created, Mode, Store, Target};
use crate::grpc::engine_v1::BackupStatus;
use aurochs_api::ids::VOLUME_HEAD;
use list::Running;
use source::SnapshotSource;

/// What is backed up, and to where. `Debug` shows no credentials.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// Name of the backup.
    pub backup: String,
    pub snapshot: String,
    pub target: Target,
    /// Name of the volume in the backup store.
    pub volume: String,
    pub compression: Compression,
    /// Bytes.
    pub block_size: u64,
    pub mode: Mode,
    pub labels: BTreeMap<String, String>,
    pub backing_image_name: String,
    pub backing_image_checksum: String,
    pub storage_class: String,
    /// 0 for the default.
    pub concurrency: usize,
    /// Longhorn's, outside tests.
    pub lock_times: LockTimes,
}

impl Volume {
    /// Begins to back a snapshot up in the background; the status tells how it goes.
    ///
    /// # Errors
    /// [`OperationError::Refused`] where there is no such snapshot, or another backup is in the way. What is wrong with
    /// the target is in the status later.
    pub async fn back_up(&self, request: BackupRequest) -> Result<BackupStatus, OperationError> {
        if request.snapshot == VOLUME_HEAD {
            let message = "the head changes all the time and cannot be backed up; take a snapshot and back that up";
            return Err(OperationError::Refused(message.to_owned()));
        }
        self.shared.refuse_while_remote("back it up")?;
        let source = SnapshotSource::open(self, &request.snapshot).await?;
        let shared = Arc::clone(&self.shared);
        let running = shared.backups.begin(&request)?;
        transfer::tell_of(&shared, &running.progress);
        let backup = request.backup.clone();
        let size = shared.size();
        tokio::spawn(async move {
            let outcome = run(request, size, source, &running).await;
            running.end(&outcome);
            shared.changed.tell();
        });
        self.shared.changed.tell();
        self.shared.backups.status(&backup).ok_or_else(|| OperationError::Failed("the backup is gone".to_owned()))
    }

    /// Gives up a running backup; returns when it has ended, with how. `None`: there is none of that name.
    pub async fn cancel_backup(&self, backup: &str) -> Option<BackupStatus> {
        self.shared.backups.cancel(backup).await
    }
}

async fn run(request: BackupRequest, size: u64, source: SnapshotSource, running: &Running) -> Result<Created, Ended> {
    let (backup, snapshot) = (request.backup.clone(), request.snapshot.clone());
    let source = Arc::new(source);
    let (read, progress, mut cancelled) = (Arc::clone(&source), running.progress.clone(), running.cancelled.clone());
    let work = async move {
        let stored = async {
            let store = Store::open(&request.target).await.map_err(BackupError::from)?;
            let create = to_create(&request, size);
            create_with(&store, &create, read.as_ref(), &progress, request.lock_times).await
        };
        tokio::select! {
            stored = stored => stored.map_err(Ended::from),
            _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Ended::Cancelled),
        }
    };
    let outcome = transfer::finished("backup", work).await;
    source.close().await;
    match &outcome {
        Ok(created) => tracing::info!(backup, snapshot, uploaded = created.newly_uploaded_bytes, "backed up"),
        Err(ended) => tracing::warn!(backup, snapshot, error = ended.words().0, "not backed up"),
    }
    outcome
}

fn to_create(request: &BackupRequest, size: u64) -> CreateRequest {
    let request = request.clone();
    CreateRequest {
        volume: request.volume,
        backup: request.backup,
        snapshot: request.snapshot,
        size,
        labels: request.labels,
        compression: request.compression,
        block_size: request.block_size,
        mode: request.mode,
        backing_image_name: request.backing_image_name,
        backing_image_checksum: request.backing_image_checksum,
        storage_class: request.storage_class,
        concurrency: request.concurrency,
    }
}
