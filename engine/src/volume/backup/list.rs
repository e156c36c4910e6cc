//! The backups of a volume that run, and the last ones that ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::super::barrier::{OperationError, now};
use super::super::transfer::{self, Ended};
use super::BackupRequest;
use crate::backup::{BackupUrl, Created, Progress};
use crate::grpc::engine_v1::{BackupStatus, TransferState};

/// Backups shown in the status, the running ones among them.
const KEPT: usize = 16;
/// Backups of one volume that run at once, each to another target: each has its threads and up to 64 MiB.
const RUNNING_MAXIMUM: usize = 2;

/// The latest last.
#[derive(Clone, Default)]
pub(crate) struct Backups(Arc<Mutex<VecDeque<Entry>>>);

struct Entry {
    /// Without what `running` knows better.
    shown: BackupStatus,
    target: String,
    running: Option<Run>,
    /// Turns when it has ended.
    over: watch::Sender<bool>,
}

struct Run {
    progress: Progress,
    started: Instant,
    cancelled: watch::Sender<bool>,
}

/// Hand on a running backup. Whatever becomes of its holder, the backup does not look running for ever.
pub(super) struct Running {
    backups: Backups,
    backup: String,
    pub(super) progress: Progress,
    pub(super) cancelled: watch::Receiver<bool>,
}

impl Entry {
    fn status(&self) -> BackupStatus {
        let Some(run) = &self.running else { return self.shown.clone() };
        let amounts = run.progress.now();
        BackupStatus {
            planned_bytes: amounts.planned,
            done_bytes: amounts.done,
            bytes_per_second: transfer::rate(amounts.done, run.started),
            ..self.shown.clone()
        }
    }
}

impl Backups {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self) -> Vec<BackupStatus> {
        self.lock().iter().map(Entry::status).collect()
    }

    pub(super) fn status(&self, backup: &str) -> Option<BackupStatus> {
        self.lock().iter().rev().find(|entry| entry.shown.backup == backup).map(Entry::status)
    }

    /// # Errors
    /// [`OperationError::Refused`] while one of this name, or one to the same target, or too many run.
    pub(super) fn begin(&self, request: &BackupRequest) -> Result<Running, OperationError> {
        let mut backups = self.lock();
        let target = request.target.url.as_str().to_owned();
        let running: Vec<&Entry> = backups.iter().filter(|entry| entry.running.is_some()).collect();
        let in_the_way = running.iter().find(|entry| entry.target == target || entry.shown.backup == request.backup);
        if let Some(other) = in_the_way.or(running.first().filter(|_| running.len() >= RUNNING_MAXIMUM)) {
            let message = format!(
                "backup {} of volume {} cannot begin while backup {} is running; try again when that is done",
                request.backup, request.volume, other.shown.backup
            );
            return Err(OperationError::Refused(message));
        }
        // What became of an earlier attempt under this name is of no interest any more.
        backups.retain(|entry| entry.shown.backup != request.backup);
        if backups.len() >= KEPT
            && let Some(at) = backups.iter().position(|entry| entry.running.is_none())
        {
            backups.remove(at);
        }
        let (cancel, cancelled) = watch::channel(false);
        let progress = Progress::default();
        let url = BackupUrl::backup(request.target.url.clone(), &request.volume, &request.backup);
        let shown = BackupStatus {
            backup: request.backup.clone(),
            snapshot: request.snapshot.clone(),
            state: TransferState::TransferInProgress.into(),
            url: url.to_string(),
            started_at: now(),
            volume: request.volume.clone(),
            ..BackupStatus::default()
        };
        let run = Run { progress: progress.clone(), started: Instant::now(), cancelled: cancel };
        backups.push_back(Entry { shown, target, running: Some(run), over: watch::Sender::new(false) });
        Ok(Running { backups: self.clone(), backup: request.backup.clone(), progress, cancelled })
    }

    /// Asks a backup to end, if it runs, and waits until it has. `None`: there is none of that name.
    pub(super) async fn cancel(&self, backup: &str) -> Option<BackupStatus> {
        let mut over = {
            let backups = self.lock();
            let entry = backups.iter().find(|entry| entry.shown.backup == backup)?;
            if let Some(run) = &entry.running {
                run.cancelled.send_replace(true);
            }
            entry.over.subscribe()
        };
        // An error means that the entry is gone, and it goes only when it is over.
        let _ = over.wait_for(|over| *over).await;
        self.status(backup)
    }

    /// Asks all to end, and waits until they have.
    pub(crate) async fn end(&self) {
        let running = || self.lock().iter().find(|entry| entry.running.is_some()).map(|e| e.shown.backup.clone());
        while let Some(backup) = running() {
            self.cancel(&backup).await;
        }
    }
}

impl Running {
    pub(super) fn end(&self, outcome: &Result<Created, Ended>) {
        let mut backups = self.backups.lock();
        let Some(entry) = backups.iter_mut().find(|entry| entry.shown.backup == self.backup) else { return };
        let mut shown = entry.status();
        entry.running = None;
        shown.ended_at = now();
        match outcome {
            Ok(created) => {
                shown.set_state(TransferState::TransferComplete);
                shown.newly_uploaded_bytes = created.newly_uploaded_bytes;
                shown.re_uploaded_bytes = created.reuploaded_bytes;
                shown.size_bytes = created.size;
                shown.incremental = created.is_incremental;
            }
            Err(ended) => {
                shown.set_state(ended.state());
                (shown.error, shown.next_step) = ended.words();
            }
        }
        entry.shown = shown;
        entry.over.send_replace(true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let runs = self.backups.lock().iter().any(|entry| entry.shown.backup == self.backup && entry.running.is_some());
        if runs {
            self.end(&Err(Ended::given_up()));
        }
    }
}
