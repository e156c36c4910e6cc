//! Every long thing is a job: what is done, why, how far it is, how it ended. It survives restarts of everything.
//!
//! 1. this file — [`Jobs`], where work begins; [`new_job`] — what is told of it; [`handle`] — what whoever does it holds;
//! 2. [`board`] — jobs that run, in memory, with the rules of beginning, going on, cancelling and ending;
//!    [`record`] — one job; [`rate`] — its pace;
//! 3. [`writer`] — brings the table up to date in the background; [`keeper`] — the table; [`query`] — what is asked of it.
//!
//! ```text
//!          begin                     finish
//!   (none) ─────► running ─────────────────────────────► succeeded, failed, cancelled
//!                  │   ▲ begin with the same key
//!      handle gone ▼   │                 nobody for two minutes
//!                 running, held by nobody ─────────────► interrupted
//! ```
//! Invariants: telling of work never fails and never holds up the work; no job runs for ever, because one that nobody
//! holds ends; nothing is written while nothing moves, and progress at most every two seconds.

mod board;
mod enough;
mod handle;
mod keeper;
mod new_job;
mod query;
mod rate;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::{Notify, watch};

use crate::settings::Settings;
use board::Board;

pub use aurochs_api::job::{JobKind, JobLogLevel as Level, JobState};
pub use board::{CancelError, Seen};
pub use handle::JobHandle;
pub use new_job::{Cancel, Failure, NewJob, Outcome, StartedBy};
pub use query::{Filter, Page, Starter};
pub use record::{JobId, Line, NoJobId, Phase, Record, Standing};

/// Nobody who does work waits longer for its being written down.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// All jobs. Cheap to clone; all clones are the same. The default keeps no history: jobs are known while they run.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Shared>);

/// Jobs of whoever else has them, for those who only look.
#[derive(Clone, Debug)]
pub struct WeakJobs(Weak<Shared>);

impl WeakJobs {
    #[must_use]
    pub fn upgrade(&self) -> Option<Jobs> {
        self.0.upgrade().map(Jobs)
    }
}

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    pool: Option<SqlitePool>,
    wake: Arc<Notify>,
    changes: watch::Sender<u64>,
}

impl Jobs {
    /// Jobs that are kept in this database, within the bounds that the settings say. Those that an earlier manager left
    /// running wait for whoever goes on with them. To be called inside a tokio runtime.
    pub async fn open(pool: SqlitePool, settings: Settings) -> Result<Self, sqlx::Error> {
        let (last_id, running) = tokio::try_join!(keeper::last_id(&pool), keeper::running(&pool))?;
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(last_id, running)),
            pool: Some(pool.clone()),
            wake: Arc::default(),
            changes: watch::Sender::default(),
        });
        tokio::spawn(writer::run(Arc::downgrade(&shared), shared.wake.clone(), pool, settings));
        let jobs = Self(shared);
        crate::metrics::jobs::watch(&jobs);
        Ok(jobs)
    }

    /// Begins a job, or goes on with the one that runs under the same key. Never fails: what can't be written down is in
    /// the manager's log.
    pub async fn begin(&self, new: NewJob) -> JobHandle {
        let handle = self.start(new);
        self.settle().await;
        handle
    }

    /// The same without waiting for its being written down.
    pub(crate) fn start(&self, new: NewJob) -> JobHandle {
        let (kind, object) = (new.kind.word(), new.object.clone());
        let (id, is_new) = self.0.change_with(|board| {
            let begun = board.begin(new);
            (begun, true)
        });
        match is_new {
            true => tracing::info!(job = %id, kind, object, "a job begins"),
            false => tracing::info!(job = %id, kind, object, "a job is gone on with"),
        }
        JobHandle::new(id, self.0.clone())
    }

    /// Work that is about to be seen under this key was asked for by this one; told before it is asked for.
    pub fn expect(&self, key: impl Into<String>, started_by: StartedBy) {
        let key = key.into();
        self.0.board().expect(key, started_by);
    }

    /// Asks whoever does the work to end it.
    pub async fn cancel(&self, id: JobId, by: &str) -> Result<(), CancelError> {
        let told = self.0.change_with(|board| {
            let told = board.cancel(id, by);
            let is_news = matches!(told, Some(Ok(())));
            (told, is_news)
        });
        if let Some(Ok(())) = told {
            tracing::info!(job = %id, by, "asked to cancel");
            self.settle().await;
        }
        told.unwrap_or(Err(CancelError::Ended))
    }

    fn finish(&self, id: JobId, outcome: Outcome) {
        self.0.change_with(|board| {
            let ended = board.finish(id, outcome);
            ((), ended)
        });
    }
}

// === looking ===

impl Jobs {
    /// A page of those that the filter lets through, the latest first.
    pub async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<Seen>, sqlx::Error> {
        let Some(pool) = &self.0.pool else { return Ok(Vec::new()) };
        let is_behind = self.0.board().lacks_structure();
        if is_behind {
            self.settle().await;
        }
        let found = keeper::list(pool, filter, page).await?;
        let board = self.0.board();
        // What runs is further than the table.
        Ok(found.into_iter().map(|record| board.seen(record.id).unwrap_or_else(|| record.into())).collect())
    }

    pub async fn find(&self, id: JobId) -> Result<Option<Seen>, sqlx::Error> {
        if let Some(seen) = self.0.board().seen(id) {
            return Ok(Some(seen));
        }
        let Some(pool) = &self.0.pool else { return Ok(None) };
        Ok(keeper::find(pool, id).await?.map(Seen::from))
    }

    /// What a job said, oldest first; a gap in the numbers stands for lines that were left out.
    pub async fn log_of(&self, id: JobId) -> Result<Vec<Line>, sqlx::Error> {
        let Some(pool) = &self.0.pool else { return Ok(Vec::new()) };
        self.settle().await;
        keeper::log_of(pool, id).await
    }

    /// Those that run, and those that ended a moment ago, the latest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Seen> {
        self.0.board().all()
    }

    /// The job that runs under this key.
    #[must_use]
    pub fn running(&self, key: &str) -> Option<JobId> {
        self.0.board().running(key)
    }

    /// The job that runs under this key, as it is.
    #[must_use]
    pub fn seen(&self, key: &str) -> Option<Seen> {
        let board = self.0.board();
        board.running(key).and_then(|id| board.seen(id))
    }

    /// The keys with this beginning under which jobs run.
    #[must_use]
    pub fn running_keys(&self, prefix: &str) -> Vec<String> {
        self.0.board().running_keys(prefix)
    }

    /// All jobs, as long as somebody else has them.
    #[must_use]
    pub fn downgrade(&self) -> WeakJobs {
        WeakJobs(Arc::downgrade(&self.0))
    }

    /// Changes whenever a job has.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Returns when everything that was told before is written, or can't be.
    pub async fn settle(&self) {
        if self.0.pool.is_none() {
            return;
        }
        let written = {
            let mut board = self.0.board();
            if board.is_written() {
                return;
            }
            board.await_written()
        };
        self.0.wake.notify_one();
        if tokio::time::timeout(WRITE_PATIENCE, written).await.is_err() {
            tracing::warn!("the history of jobs is not written; what it is about goes on");
        }
    }
}

// === impl Shared ===

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `change` tells whether people should hear of it.
    fn change(&self, change: impl FnOnce(&mut Board) -> bool) {
        self.change_with(|board| ((), change(board)));
    }

    fn change_with<T>(&self, change: impl FnOnce(&mut Board) -> (T, bool)) -> T {
        let mut board = self.board();
        let before = board.dirt();
        let (answer, is_news) = change(&mut board);
        let is_more_urgent = board.dirt() > before;
        drop(board);
        if is_more_urgent {
            self.wake.notify_one();
        }
        if is_news {
            self.announce();
        }
        answer
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer waits for it, and ends when there is nothing left to write for.
        self.wake.notify_one();
    }
}
