//! The audit log: who changed what, from where, and how it ended.
//!
//! 1. [`act`] — what is known of a change before it is done, and its end; [`input`] — its body without secrets;
//! 2. this file — [`Audit`], which the guard tells before and after each change;
//! 3. [`writer`] — one task that writes what has gathered in one transaction; [`keeper`] — the tables, which their own
//!    triggers allow to grow only, and to be forgotten from the oldest end ([`bounds`]).
//!
//! Invariants: no change begins before its row is on the disk, and where that can't be written the change is refused; no
//! change is answered before its end was handed to the disk. So whatever was answered is in the log after a crash, and what
//! was cut off by one is there without an end. Numbers have no gap. Secrets are in no row.
//!
//! What changed nothing (wrong passwords, refusals) may be sent by anybody as often as they like: that much of it is kept as
//! [`refusals`] allow, and the next row says how many had none.

pub mod act;
mod bounds;
pub mod input;
mod keeper;
mod refusals;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use crate::settings::Settings;
use crate::store::sqlite::Sqlite;

pub use act::{Act, Ended, Result};
pub(crate) use keeper::UNKNOWN;
pub use keeper::{Filter, Kept};
use refusals::Refusals;
use writer::Order;

/// Requests that may wait for the disk; the next ones wait for a place.
const WAITING_MAXIMUM: usize = 1024;

/// The log could not be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit log can't be written: {0}")]
pub struct AuditError(String);

/// The log. Clones are the same.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    readers: SqlitePool,
    orders: mpsc::Sender<Order>,
    settings: Arc<OnceLock<Settings>>,
    refusals: Mutex<Refusals>,
}

impl Audit {
    /// The log in this database. To be called inside a tokio runtime.
    #[must_use]
    pub fn keep(sqlite: &Sqlite) -> Self {
        let (orders, told) = mpsc::channel(WAITING_MAXIMUM);
        let settings = Arc::new(OnceLock::new());
        tokio::spawn(writer::run(sqlite.writer(), told, settings.clone()));
        Self(Arc::new(Shared { readers: sqlite.pool(), orders, settings, refusals: Mutex::default() }))
    }

    /// From now on these say how much is kept; before, their defaults do.
    pub fn obey(&self, settings: &Settings) {
        self.0.settings.get_or_init(|| settings.clone());
    }

    /// Writes what is about to be done. Without the row it must not be done.
    pub async fn begin(&self, act: Act) -> std::result::Result<Pending, AuditError> {
        let (done, written) = oneshot::channel();
        self.order(Order::Begin(act, done)).await?;
        // In a task of its own: who goes away meanwhile leaves a row that has to have an end, too.
        let audit = self.clone();
        let begun = tokio::spawn(async move {
            let id = written.await.map_err(|_| ended())??;
            Ok(Pending { audit, id: Some(id) })
        });
        begun.await.map_err(|_| ended())?
    }

    /// Writes what was done, both at once.
    pub async fn record(&self, act: Act, end: Ended) -> std::result::Result<(), AuditError> {
        let (done, written) = oneshot::channel();
        self.order(Order::Whole(act, end, Some(done))).await?;
        written.await.map_err(|_| ended())?
    }

    /// Tells of something that changed nothing. Never waits; more than is allowed has no row of its own.
    pub fn note_refusal(&self, act: Act, end: Ended) {
        let without = lock(&self.0.refusals).take(Instant::now());
        let Some(without) = without else { return };
        let end = if without == 0 { end } else { end.and(&format!("{without} refusals before have no row")) };
        self.note(act, end);
    }

    /// Tells of something that was done elsewhere. Never waits.
    pub fn note(&self, act: Act, end: Ended) {
        if self.0.orders.try_send(Order::Whole(act, end, None)).is_err() {
            tracing::warn!("a row of the audit log was dropped: too many wait for the disk");
        }
    }

    /// What fits the filter, the latest first.
    pub async fn list(&self, filter: &Filter) -> std::result::Result<Vec<Kept>, sqlx::Error> {
        keeper::list(&self.0.readers, filter).await
    }

    /// The row of this number.
    pub async fn find(&self, id: i64) -> std::result::Result<Option<Kept>, sqlx::Error> {
        keeper::find(&self.0.readers, id).await
    }

    /// Returns when everything that was told before is written.
    pub async fn settle(&self) {
        let (done, written) = oneshot::channel();
        if self.order(Order::Settle(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    async fn order(&self, order: Order) -> std::result::Result<(), AuditError> {
        self.0.orders.send(order).await.map_err(|_| ended())
    }
}

fn ended() -> AuditError {
    AuditError("the manager is ending".to_owned())
}

/// A change that is being done. Its end has to be told; one that is dropped before was cut off.
#[derive(Debug)]
#[must_use]
pub struct Pending {
    audit: Audit,
    id: Option<i64>,
}

impl Pending {
    /// Writes how it ended. The change is done: that its end can't be written is told in the log of the manager alone.
    pub async fn end(mut self, status: StatusCode, message: &str) {
        let Some(id) = self.id else { return };
        let (done, written) = oneshot::channel();
        let sent = self.audit.order(Order::End(id, Ended::of(status, message), Some(done))).await;
        self.id = None;
        let written = match sent {
            Ok(()) => written.await.unwrap_or_else(|_| Err(ended())),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, id, status = status.as_u16(), "the audit log does not know how a change ended");
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        if self.audit.0.orders.try_send(Order::End(id, Ended::cut_off(), None)).is_err() {
            tracing::warn!(id, "the audit log does not know that a change was cut off");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
