//! Writes jobs in the background: beginnings and ends within a moment, progress now and then, and nothing at all while
//! nothing moves.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shared;
use super::board::Dirt;
use super::keeper::{self, Bounds};
use crate::settings::Settings;

/// Beginnings and ends that come together are one write.
const STRUCTURE_PERIOD: Duration = Duration::from_millis(200);
/// Bytes and lines.
const PROGRESS_PERIOD: Duration = Duration::from_secs(2);
/// A pause after a write that failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked for jobs that nobody goes on with.
const SWEEP_PERIOD: Duration = Duration::from_secs(15);
/// How often it is looked for jobs that have become too old, while none ends.
const AGE_PERIOD: Duration = Duration::from_secs(60 * 60);

/// When which of the writer's duties is due.
struct Duties {
    /// When something was written last, and a pause that has to be kept after it.
    written: Instant,
    pause: Duration,
    sweep: Instant,
    ages: Instant,
}

/// Until there are no jobs any more, or no database.
pub(super) async fn run(shared: Weak<Shared>, wake: Arc<Notify>, pool: SqlitePool, settings: Settings) {
    let now = Instant::now();
    let mut duties =
        Duties { written: now - PROGRESS_PERIOD, pause: Duration::ZERO, sweep: now + SWEEP_PERIOD, ages: now };
    loop {
        let Some(due) = shared.upgrade().map(|shared| duties.next(&shared)) else { return };
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = wake.notified() => continue,
        }
        let Some(shared) = shared.upgrade() else { return };
        let done = duties.fulfil(&shared, &pool, Bounds::of(&settings)).await;
        if matches!(done, Err(sqlx::Error::PoolClosed)) {
            return;
        }
    }
}

impl Duties {
    fn next(&self, shared: &Shared) -> Instant {
        let rest = self.sweep.min(self.ages);
        let write = self.write_due(shared);
        write.map_or(rest, |write| write.min(rest))
    }

    fn write_due(&self, shared: &Shared) -> Option<Instant> {
        let board = shared.board();
        let period = match board.dirt() {
            // Who waits for what is written already needs to be told.
            _ if board.is_awaited() => Duration::ZERO,
            Dirt::Nothing => return None,
            Dirt::Progress => PROGRESS_PERIOD,
            Dirt::Structure => STRUCTURE_PERIOD,
        };
        Some(self.written + period.max(self.pause))
    }

    async fn fulfil(&mut self, shared: &Shared, pool: &SqlitePool, bounds: Bounds) -> Result<(), sqlx::Error> {
        let now = Instant::now();
        if now >= self.sweep {
            self.sweep = now + SWEEP_PERIOD;
            shared.change(|board| board.sweep(now));
        }
        if now >= self.ages {
            self.ages = now + AGE_PERIOD;
            keeper::forget(pool, bounds).await.inspect_err(|error| tell(error, "old jobs could not be forgotten"))?;
        }
        if self.write_due(shared).is_some_and(|due| due <= now) {
            (self.written, self.pause) = (now, Duration::ZERO);
            let written = write(shared, pool, bounds).await;
            if written.is_err() {
                self.pause = FAILURE_PAUSE;
            }
            written?;
        }
        Ok(())
    }
}

async fn write(shared: &Shared, pool: &SqlitePool, bounds: Bounds) -> Result<(), sqlx::Error> {
    let (sheets, waiting) = shared.board().take();
    let outcome = keeper::write(pool, &sheets, bounds).await;
    let mut board = shared.board();
    board.wrote();
    if let Err(error) = outcome {
        board.give_back(sheets);
        drop(board);
        tell(&error, "jobs could not be written; trying again");
        return Err(error);
    }
    drop(board);
    if !sheets.is_empty() {
        shared.announce();
    }
    for done in waiting {
        let _ = done.send(());
    }
    Ok(())
}

fn tell(error: &sqlx::Error, what: &'static str) {
    match error {
        // The manager ends.
        sqlx::Error::PoolClosed => tracing::debug!(%error, what),
        error => tracing::warn!(%error, what),
    }
}
