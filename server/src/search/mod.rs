//! One search over everything that has a name.
//!
//! 1. [`kinds`] — what of each kind can be found, and how a result of it reads;
//! 2. [`entry`] — the texts of a thing in one piece of lower-case text;
//! 3. [`words`] — what was asked for, and how well an entry has it;
//! 4. [`shelf`] — the entries of a kind, brought up to date from the store's changes;
//! 5. this file — the best of all.
//!
//! An index and no scan of the store: most of what a scan costs is putting a hundred thousand snapshots' texts in lower
//! case. It is brought up to date when somebody searches, from the names that changed since (after too many changes, by
//! comparing versions), so that nobody pays for it who does not search, and a search sees every write that was answered
//! before it. With 10,000 volumes and 100,000 snapshots it takes about 20 MB, and a search a few milliseconds
//! (`search/tests.rs` prints the time).

mod entry;
mod kinds;
mod settings;
mod shelf;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aurochs_api::search::{Found, FoundKind};
use tokio::sync::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::resources::{BackingImage, Backup, EngineImage, Kind, Node, Orphan, RecurringJob, Snapshot, Volume};
use crate::settings::Settings;
use crate::store::{RawEvent, Store, StoreError};
use shelf::{Best, Shelf};
pub use words::Words;

/// Nobody reads further.
pub const RESULTS_MAXIMUM: usize = 200;
pub const RESULTS_DEFAULT: usize = 20;

/// Cheap to clone; all clones share the index.
#[derive(Clone)]
pub struct Index {
    store: Store,
    settings: Settings,
    shelves: Arc<Mutex<Shelves>>,
}

struct Shelves {
    /// None before the first search.
    changes: Option<broadcast::Receiver<RawEvent>>,
    volumes: Shelf<Volume>,
    nodes: Shelf<Node>,
    snapshots: Shelf<Snapshot>,
    backups: Shelf<Backup>,
    recurring_jobs: Shelf<RecurringJob>,
    engine_images: Shelf<EngineImage>,
    backing_images: Shelf<BackingImage>,
    orphans: Shelf<Orphan>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub counts: BTreeMap<FoundKind, u64>,
    /// The best, in their order. Addresses are paths.
    pub results: Vec<Found>,
}

impl Index {
    #[must_use]
    pub fn new(store: &Store, settings: &Settings) -> Self {
        let shelves = Shelves {
            changes: None,
            volumes: Shelf::default(),
            nodes: Shelf::default(),
            snapshots: Shelf::default(),
            backups: Shelf::default(),
            recurring_jobs: Shelf::default(),
            engine_images: Shelf::default(),
            backing_images: Shelf::default(),
            orphans: Shelf::default(),
        };
        Self { store: store.clone(), settings: settings.clone(), shelves: Arc::new(Mutex::new(shelves)) }
    }

    /// The `limit` best of these kinds, all kinds when none is named.
    pub async fn search(
        &self,
        words: &Words,
        kinds: &BTreeSet<FoundKind>,
        limit: usize,
    ) -> Result<Findings, StoreError> {
        let mut best = Best::new(kinds, limit);
        {
            let mut shelves = self.shelves.lock().await;
            shelves.catch_up(&self.store).await?;
            shelves.volumes.collect(words, &mut best);
            shelves.nodes.collect(words, &mut best);
            shelves.snapshots.collect(words, &mut best);
            shelves.backups.collect(words, &mut best);
            shelves.recurring_jobs.collect(words, &mut best);
            shelves.engine_images.collect(words, &mut best);
            shelves.backing_images.collect(words, &mut best);
            shelves.orphans.collect(words, &mut best);
        }
        settings::collect(words, &mut best);
        let (counts, places) = best.done();
        let mut results = Vec::with_capacity(places.len());
        for place in places {
            results.extend(kinds::tell(&self.store, &self.settings, &place, words).await?);
        }
        Ok(Findings { counts, results })
    }
}

/// What changed since the last search.
enum Changed {
    Everything,
    Names(BTreeMap<&'static str, BTreeSet<String>>),
}

impl Shelves {
    async fn catch_up(&mut self, store: &Store) -> Result<(), StoreError> {
        let changed = self.changed(store);
        let done = self.refresh(store, &changed).await;
        if done.is_err() {
            // What was taken from the list of changes is not in the shelves: look at everything again.
            self.changes = None;
        }
        done
    }

    fn changed(&mut self, store: &Store) -> Changed {
        let Some(changes) = &mut self.changes else {
            // Before the lists are made, so that nothing is missed between the two.
            self.changes = Some(store.changes());
            return Changed::Everything;
        };
        let mut names: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        loop {
            match changes.try_recv() {
                Ok(event) => {
                    names.entry(event.plural).or_default().insert(event.object.metadata.name.clone());
                }
                Err(TryRecvError::Lagged(_)) => {
                    *changes = store.changes();
                    return Changed::Everything;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Changed::Names(names),
            }
        }
    }

    async fn refresh(&mut self, store: &Store, changed: &Changed) -> Result<(), StoreError> {
        refresh(&mut self.volumes, store, changed).await?;
        refresh(&mut self.nodes, store, changed).await?;
        refresh(&mut self.snapshots, store, changed).await?;
        refresh(&mut self.backups, store, changed).await?;
        refresh(&mut self.recurring_jobs, store, changed).await?;
        refresh(&mut self.engine_images, store, changed).await?;
        refresh(&mut self.backing_images, store, changed).await?;
        refresh(&mut self.orphans, store, changed).await
    }
}

async fn refresh<K: kinds::Searched>(shelf: &mut Shelf<K>, store: &Store, changed: &Changed) -> Result<(), StoreError> {
    match changed {
        Changed::Everything => shelf.replace(store.list_shared::<K>().await?),
        Changed::Names(names) => {
            for name in names.get(<K as Kind>::PLURAL).into_iter().flatten() {
                shelf.put(name, store.find::<K>(name).await?.as_ref());
            }
        }
    }
    Ok(())
}
