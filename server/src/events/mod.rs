//! What happened to an object, for people: Kubernetes' events with Longhorn's reasons.
//!
//! 1. this file — [`Events`], to which whoever changes something tells it, right after the change is stored;
//! 2. [`reason`] — the words; [`news`] — one piece of news, and what is kept of it;
//! 3. [`writer`] — merges what is told and writes it, in the background; [`keeper`] — the table in SQLite.
//!
//! An event is news and never a state: nothing depends on its being kept, telling one never waits and never fails, and
//! one that is told again and again is one row with a count.

mod keeper;
mod news;
mod reason;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::resources::{Kind, Object};
use news::News;
use writer::Order;

pub use news::Kept;
pub use reason::Reason;

/// Whether it is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    Normal,
    Warning,
}

impl EventType {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// As in Kubernetes manifests: `Volume`.
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl<K: Kind> From<&Object<K>> for ObjectRef {
    fn from(object: &Object<K>) -> Self {
        Self { kind: K::KIND.to_owned(), name: object.name().to_owned(), uid: object.metadata.uid.clone() }
    }
}

/// News that may wait to be written; more than this in a moment is a storm, and what it adds is dropped and counted.
const WAITING_MAXIMUM: usize = 4096;

/// Where events go. Cheap to clone; all clones are the same. The default keeps nothing: events go to the log alone.
#[derive(Clone, Debug, Default)]
pub struct Events {
    kept: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    pool: SqlitePool,
    orders: mpsc::Sender<Order>,
    changes: watch::Sender<u64>,
    dropped: AtomicU64,
}

impl Events {
    /// Events that are kept in this database. To be called inside a tokio runtime; what was told is still written when
    /// the last clone is dropped.
    #[must_use]
    pub fn keep(pool: SqlitePool) -> Self {
        let (orders, told) = mpsc::channel(WAITING_MAXIMUM);
        let changes = watch::Sender::new(0);
        tokio::spawn(writer::run(pool.clone(), told, changes.clone()));
        Self { kept: Some(Arc::new(Shared { pool, orders, changes, dropped: AtomicU64::new(0) })) }
    }

    /// Tells that something happened; never waits and never fails. Events go to the manager's log, too.
    pub fn emit(&self, object: &ObjectRef, reason: Reason, kind: EventType, message: &str) {
        let (what, name) = (object.kind.as_str(), object.name.as_str());
        match kind {
            EventType::Normal => tracing::info!(kind = what, name, reason = reason.word(), "{message}"),
            EventType::Warning => tracing::warn!(kind = what, name, reason = reason.word(), "{message}"),
        }
        let Some(shared) = &self.kept else { return };
        if shared.orders.try_send(Order::Keep(News::now(object, reason, kind, message))).is_err() {
            let dropped = shared.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            // The log has them all; one line for each would double the storm.
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "events come faster than they can be kept; they are in the log only");
            }
        }
    }

    /// All that are kept, the latest first.
    pub async fn list(&self) -> Result<Vec<Kept>, sqlx::Error> {
        match &self.kept {
            Some(shared) => keeper::list(&shared.pool).await,
            None => Ok(Vec::new()),
        }
    }

    /// Those that happened last after this moment (milliseconds since 1970), the earliest first.
    pub(crate) async fn since(&self, moment: i64) -> Result<Vec<Kept>, sqlx::Error> {
        match &self.kept {
            Some(shared) => keeper::since(&shared.pool, moment).await,
            None => Ok(Vec::new()),
        }
    }

    /// The one of this name.
    pub async fn find(&self, name: &str) -> Result<Option<Kept>, sqlx::Error> {
        match &self.kept {
            Some(shared) => keeper::find(&shared.pool, name).await,
            None => Ok(None),
        }
    }

    /// Changes whenever the list has; never where nothing is kept.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.kept.as_ref().map_or_else(|| watch::Sender::new(0).subscribe(), |shared| shared.changes.subscribe())
    }

    /// Returns when everything that was told before is written.
    pub async fn settle(&self) {
        let Some(shared) = &self.kept else { return };
        let (done, written) = oneshot::channel();
        if shared.orders.send(Order::Settle(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

#[cfg(test)]
mod emitted;
#[cfg(test)]
mod tests;
