//! Writes the audit log: all that waits goes into one transaction, so that many changes at once pay for one turn of the
//! disk, and each waits for it no longer than for a row of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection, SqlitePool};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::act::{Act, Ended};
use super::bounds::Bounds;
use super::{AuditError, keeper};
use crate::settings::Settings;

/// Rows in one transaction: the next ones need not wait for a long one.
const BATCH_MAXIMUM: usize = 256;
/// What is too old is looked for at most this often,
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// and after this many rows.
const FORGET_ROWS: usize = 1000;

pub(super) type Answer<T> = oneshot::Sender<Result<T, AuditError>>;

type Written = Result<i64, AuditError>;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Answered with the row's number.
    Begin(Act, Answer<i64>),
    End(i64, Ended, Option<Answer<()>>),
    Whole(Act, Ended, Option<Answer<()>>),
    /// Answered when everything before is written.
    Settle(oneshot::Sender<()>),
}

/// Until nobody can tell anything any more.
pub(super) async fn run(pool: SqlitePool, mut orders: mpsc::Receiver<Order>, settings: Arc<OnceLock<Settings>>) {
    let mut forgotten: Option<Instant> = None;
    let mut rows = 0;
    let mut batch = Vec::new();
    while orders.recv_many(&mut batch, BATCH_MAXIMUM).await > 0 {
        rows += batch.len();
        let is_due = rows >= FORGET_ROWS || forgotten.is_none_or(|at| at.elapsed() >= FORGET_INTERVAL);
        let bounds = is_due.then(|| Bounds::now(&settings));
        let written = write(&pool, &batch, bounds).await;
        if is_due && written.is_ok() {
            (forgotten, rows) = (Some(Instant::now()), 0);
        }
        answer(std::mem::take(&mut batch), written);
    }
}

/// What became of each order: the number of a row that was begun, 0 for the others. One that can't be written holds up none
/// of the others.
async fn write(pool: &SqlitePool, batch: &[Order], bounds: Option<Bounds>) -> Result<Vec<Written>, AuditError> {
    let mut connection = pool.acquire().await.map_err(failed)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut ids = Vec::with_capacity(batch.len());
    for order in batch {
        ids.push(write_one(&mut transaction, order).await.map_err(failed));
    }
    if let Some(bounds) = bounds {
        keeper::forget(&mut transaction, bounds).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(ids)
}

fn failed(error: sqlx::Error) -> AuditError {
    AuditError(error.to_string())
}

async fn write_one(connection: &mut SqliteConnection, order: &Order) -> Result<i64, sqlx::Error> {
    let now = keeper::millis(OffsetDateTime::now_utc());
    match order {
        Order::Begin(act, _) => keeper::begin(connection, act, now).await,
        Order::End(id, end, _) => keeper::end(connection, *id, end, now).await.map(|()| 0),
        Order::Whole(act, end, _) => {
            let id = keeper::begin(connection, act, now).await?;
            keeper::end(connection, id, end, now).await.map(|()| 0)
        }
        Order::Settle(_) => Ok(0),
    }
}

fn answer(batch: Vec<Order>, written: Result<Vec<Written>, AuditError>) {
    if let Err(error) = &written {
        tracing::error!(%error, rows = batch.len(), "nothing is changed while the audit log can't be written");
    }
    let each = written.unwrap_or_else(|error| vec![Err(error); batch.len()]);
    for (order, id) in batch.into_iter().zip(each) {
        match order {
            Order::Begin(_, answer) => drop(answer.send(id)),
            Order::End(_, _, answer) | Order::Whole(_, _, answer) => {
                drop(answer.map(|answer| answer.send(id.map(|_| ()))));
            }
            Order::Settle(answer) => drop(answer.send(())),
        }
    }
}
