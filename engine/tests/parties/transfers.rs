//! Backups and restores of a volume, to and from a directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::lock::LockTimes;
use aurochs_engine::backup::{Credentials, Mode, Target};
use aurochs_engine::grpc::engine_v1::{BackupStatus, RestoreStatus, TransferState};
use aurochs_engine::volume::backup::BackupRequest;
use aurochs_engine::volume::restore::RestoreRequest;

use super::{TestEngine, VOLUME};

/// Nobody else uses the target, so nobody's lock is waited for.
const LOCK_TIMES: LockTimes =
    LockTimes { wait: Duration::from_millis(1), renew: Duration::from_secs(60), lifetime: Duration::from_secs(150) };
const BLOCK_SIZE: u64 = 1 << 20;

/// A backup target.
pub struct Shelf {
    directory: PathBuf,
    /// By which it is known, where that is not the directory itself.
    served: Option<Target>,
}

impl Shelf {
    pub fn new(root: &Path) -> Self {
        let directory = root.join("shelf");
        std::fs::create_dir(&directory).unwrap();
        Self { directory, served: None }
    }

    /// One that is there.
    pub fn at(root: &Path) -> Self {
        Self { directory: root.join("shelf"), served: None }
    }

    /// One that a server has in this directory.
    pub fn served(directory: &Path, target: Target) -> Self {
        Self { directory: directory.to_owned(), served: Some(target) }
    }

    pub fn target(&self) -> Target {
        if let Some(target) = &self.served {
            return target.clone();
        }
        let url = format!("vfs://{}", self.directory.display()).parse().unwrap();
        Target { url, credentials: Credentials::default() }
    }

    /// As if its server were down.
    pub fn take_away(&self) {
        std::fs::rename(&self.directory, self.directory.with_extension("away")).unwrap();
    }

    pub fn put_back(&self) {
        std::fs::rename(self.directory.with_extension("away"), &self.directory).unwrap();
    }

    /// Files of blocks that are there.
    pub fn blocks(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
            let sizes = entries.map(|path| match path.is_dir() {
                true => count(&path),
                false => usize::from(path.extension().is_some_and(|extension| extension == "blk")),
            });
            sizes.sum()
        }
        count(&self.directory)
    }

    pub fn backup(&self, backup: &str, snapshot: &str) -> BackupRequest {
        BackupRequest {
            backup: backup.to_owned(),
            snapshot: snapshot.to_owned(),
            target: self.target(),
            volume: format!("{VOLUME}-stored"),
            compression: Compression::Lz4,
            block_size: BLOCK_SIZE,
            mode: Mode::Incremental,
            labels: [("made-by".to_owned(), "a test".to_owned())].into(),
            backing_image_name: String::new(),
            backing_image_checksum: String::new(),
            storage_class: String::new(),
            concurrency: 0,
            lock_times: LOCK_TIMES,
        }
    }

    pub fn restore(&self, backup: &str) -> RestoreRequest {
        let mut request = RestoreRequest::new(self.target(), &format!("{VOLUME}-stored"), backup);
        request.lock_times = LOCK_TIMES;
        request
    }
}

impl TestEngine {
    pub async fn begin_backup(&self, request: BackupRequest) {
        self.run(|volume| async move { volume.back_up(request).await }).await.unwrap();
    }

    /// Waits for the end of this backup.
    pub async fn backup_over(&self, backup: &str) -> BackupStatus {
        let over = |found: &&BackupStatus| found.backup == backup && found.state() != TransferState::TransferInProgress;
        let status = self.wait("the backup is over", |status| status.backups.iter().any(|found| over(&found))).await;
        status.backups.iter().find(over).unwrap().clone()
    }

    /// A backup that has to succeed.
    pub async fn back_up(&self, request: BackupRequest) -> BackupStatus {
        let name = request.backup.clone();
        self.begin_backup(request).await;
        let over = self.backup_over(&name).await;
        assert_eq!(over.state(), TransferState::TransferComplete, "{}", over.error);
        assert_eq!(over.done_bytes, over.planned_bytes, "{over:?}");
        over
    }

    pub async fn begin_restore(&self, request: RestoreRequest) {
        self.run(|volume| async move { volume.restore(request).await }).await.unwrap();
    }

    /// Waits for the end of the restore, and of the purge behind it.
    pub async fn restore_over(&self) -> RestoreStatus {
        let over = |found: &RestoreStatus| found.state() != TransferState::TransferInProgress;
        let is_over = self.wait("the restore is over", |status| status.restore.as_ref().is_some_and(over)).await;
        self.wait("all work is over", |status| status.exclusive_work.is_empty()).await;
        is_over.restore.unwrap()
    }

    /// A restore that has to succeed.
    pub async fn restore(&self, request: RestoreRequest) -> RestoreStatus {
        self.begin_restore(request).await;
        let over = self.restore_over().await;
        assert_eq!(over.state(), TransferState::TransferComplete, "{}", over.error);
        over
    }
}
