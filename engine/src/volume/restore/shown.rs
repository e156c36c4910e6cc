//! What the status shows of the last restore, and how one is asked to end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::super::barrier::now;
use super::super::transfer::{self, Ended};
use super::RestoreRequest;
use crate::backup::{BackupUrl, Progress};
use crate::grpc::engine_v1::{RestoreStatus, TransferState};

/// The last restore into this volume.
#[derive(Clone)]
pub(crate) struct Restores {
    last: Arc<Mutex<Last>>,
    cancelled: watch::Sender<bool>,
    runs: watch::Sender<bool>,
}

#[derive(Default)]
struct Last {
    /// Counts the restores: what an earlier one has to tell of its end is not told of the next one.
    number: u64,
    /// Without what `running` knows better.
    shown: RestoreStatus,
    running: Option<(Progress, Instant)>,
}

impl Last {
    fn status(&self) -> RestoreStatus {
        let Some((progress, started)) = &self.running else { return self.shown.clone() };
        let amounts = progress.now();
        RestoreStatus {
            planned_bytes: amounts.planned,
            done_bytes: amounts.done,
            bytes_per_second: transfer::rate(amounts.done, *started),
            ..self.shown.clone()
        }
    }
}

/// Hand on the running restore. Whatever becomes of its holder, the restore does not look running for ever.
pub(super) struct Running {
    restores: Restores,
    number: u64,
    pub(super) progress: Progress,
    pub(super) cancelled: watch::Receiver<bool>,
}

impl Default for Restores {
    fn default() -> Self {
        Self { last: Arc::default(), cancelled: watch::Sender::new(false), runs: watch::Sender::new(false) }
    }
}

impl Restores {
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where nothing was restored into this volume since its engine started.
    pub(crate) fn status(&self) -> Option<RestoreStatus> {
        let shown = self.lock().status();
        (shown.state() != TransferState::Unspecified).then_some(shown)
    }

    /// The caller has the right to work on the volume alone, so no other restore runs.
    pub(super) fn begin(&self, request: &RestoreRequest) -> Running {
        let progress = Progress::default();
        let url = BackupUrl::backup(request.target.url.clone(), &request.name.volume, &request.name.backup);
        let shown = RestoreStatus {
            volume: request.name.volume.clone(),
            backup: request.name.backup.clone(),
            state: TransferState::TransferInProgress.into(),
            url: url.to_string(),
            started_at: now(),
            ..RestoreStatus::default()
        };
        let mut last = self.lock();
        let number = last.number + 1;
        *last = Last { number, shown, running: Some((progress.clone(), Instant::now())) };
        // Under the lock, as in the end of the one before: both tell of the same restore.
        self.cancelled.send_replace(false);
        self.runs.send_replace(true);
        Running { restores: self.clone(), number, progress, cancelled: self.cancelled.subscribe() }
    }

    /// Asks a running restore to end, and waits until it has.
    pub(crate) async fn end(&self) {
        self.cancelled.send_replace(true);
        // An error means that the sender is gone, and it is `self`.
        let _ = self.runs.subscribe().wait_for(|runs| !runs).await;
    }
}

/// For those who find out what the running restore is.
pub(super) struct Teller(Restores);

impl Teller {
    /// When the backup that is restored was complete.
    pub(super) fn wants(&self, created: &str) {
        created.clone_into(&mut self.0.lock().shown.created);
    }

    pub(super) fn is(&self, previous: &str, resumed: bool) {
        let mut last = self.0.lock();
        previous.clone_into(&mut last.shown.previous_backup);
        last.shown.resumed = resumed;
    }
}

impl Running {
    pub(super) fn teller(&self) -> Teller {
        Teller(self.restores.clone())
    }

    /// With the snapshot that holds the backup. Says nothing where the next restore has begun already.
    pub(super) fn end(&self, outcome: &Result<String, Ended>) {
        let mut last = self.restores.lock();
        if last.number != self.number || last.running.is_none() {
            return;
        }
        let mut shown = last.status();
        last.running = None;
        shown.ended_at = now();
        match outcome {
            Ok(snapshot) => {
                shown.set_state(TransferState::TransferComplete);
                shown.snapshot.clone_from(snapshot);
            }
            Err(ended) => {
                shown.set_state(ended.state());
                (shown.error, shown.next_step) = ended.words();
            }
        }
        last.shown = shown;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(&Err(Ended::given_up()));
        let last = self.restores.lock();
        if last.number == self.number {
            self.restores.runs.send_replace(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Target;

    fn request(backup: &str) -> RestoreRequest {
        let target =
            Target { url: "vfs:///nowhere".parse().unwrap(), credentials: crate::backup::Credentials::default() };
        RestoreRequest::new(target, "v", backup)
    }

    /// The right to work on the volume is given back before the end is told, so that the next one may begin in between.
    #[test]
    fn the_end_of_one_restore_is_not_told_of_the_next() {
        let restores = Restores::default();
        let first = restores.begin(&request("b1"));
        let second = restores.begin(&request("b2"));
        first.end(&Ok("snapshot-of-b1".to_owned()));
        drop(first);
        let told = restores.status().unwrap();
        assert_eq!((told.backup.as_str(), told.state()), ("b2", TransferState::TransferInProgress), "{told:?}");
        assert!(*restores.runs.borrow(), "it runs, and whoever ends it waits for it");
        second.end(&Ok("snapshot-of-b2".to_owned()));
        drop(second);
        let told = restores.status().unwrap();
        assert_eq!((told.snapshot.as_str(), told.state()), ("snapshot-of-b2", TransferState::TransferComplete));
        assert!(!*restores.runs.borrow());
        drop(restores.begin(&request("b3")));
        assert_eq!(restores.status().unwrap().state(), TransferState::TransferFailed, "one that nobody ended");
    }
}
