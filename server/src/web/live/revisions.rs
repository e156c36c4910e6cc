//! How often each kind changed, for those who make a whole list again when something in it did.

use std::collections::HashMap;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::store::Store;

/// Changes by plural of the kind. What the store did not announce (a gap) counts for all.
#[derive(Clone, Debug, Default)]
pub struct Revisions(watch::Sender<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    by_plural: HashMap<&'static str, u64>,
    gaps: u64,
}

impl Revisions {
    /// Begins to count, in a task of its own that ends with the store.
    #[must_use]
    pub fn start(store: &Store) -> Self {
        let revisions = Self(watch::Sender::default());
        let (counts, mut changes) = (revisions.clone(), store.changes());
        tokio::spawn(async move {
            loop {
                match changes.recv().await {
                    Ok(event) => counts.touch(event.plural),
                    Err(RecvError::Lagged(_)) => counts.0.send_modify(|counts| counts.gaps += 1),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        revisions
    }

    /// Counts a change; also for what is not an object of the store (events).
    pub fn touch(&self, plural: &'static str) {
        self.0.send_modify(|counts| *counts.by_plural.entry(plural).or_default() += 1);
    }

    /// Number of changes of these kinds until now.
    #[must_use]
    pub fn of(&self, plurals: &[&'static str]) -> u64 {
        self.0.borrow().of(plurals)
    }

    /// Waits until the number is another one than this. For ever when the store has ended.
    pub async fn other_than(&self, plurals: &[&'static str], known: u64) {
        let mut receiver = self.0.subscribe();
        if receiver.wait_for(|counts| counts.of(plurals) != known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Counts {
    fn of(&self, plurals: &[&'static str]) -> u64 {
        plurals.iter().filter_map(|plural| self.by_plural.get(plural)).sum::<u64>() + self.gaps
    }
}
