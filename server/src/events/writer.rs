//! Writes events in the background: what comes within a moment is merged and written at once, so that a storm of the same
//! news is one row and one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::keeper;
use super::news::News;

/// At most this often something is written: each time the disk has to take it.
const PACE: Duration = Duration::from_millis(500);

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    Keep(News),
    /// Answer when everything before is written.
    Settle(oneshot::Sender<()>),
}

/// Until nobody can tell anything any more.
pub(super) async fn run(pool: SqlitePool, mut orders: mpsc::Receiver<Order>, changes: watch::Sender<u64>) {
    let mut not_before = Instant::now();
    while let Some(first) = orders.recv().await {
        let mut batch = Batch::default();
        batch.take(first);
        // More may come until the next write is due, unless somebody waits for it.
        while batch.settled.is_empty() {
            match tokio::time::timeout_at(not_before, orders.recv()).await {
                Ok(Some(order)) => batch.take(order),
                Ok(None) | Err(_) => break,
            }
        }
        while let Ok(order) = orders.try_recv() {
            batch.take(order);
        }
        not_before = Instant::now() + PACE;
        batch.write(&pool, &changes).await;
    }
}

#[derive(Default)]
struct Batch {
    news: BTreeMap<String, News>,
    settled: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn take(&mut self, order: Order) {
        match order {
            Order::Settle(done) => self.settled.push(done),
            Order::Keep(news) => {
                self.news.entry(news.name.clone()).and_modify(|known| known.merge(&news)).or_insert(news);
            }
        }
    }

    async fn write(self, pool: &SqlitePool, changes: &watch::Sender<u64>) {
        if !self.news.is_empty() {
            match keeper::write(pool, self.news.values()).await {
                Ok(()) => changes.send_modify(|count| *count = count.wrapping_add(1)),
                // They are in the log, and nothing depends on them.
                Err(error) => tracing::warn!(%error, lost = self.news.len(), "events could not be kept"),
            }
        }
        for done in self.settled {
            let _ = done.send(());
        }
    }
}
