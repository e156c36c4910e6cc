//! The keeper's objects in memory, decoded, so that a read costs no SQL and no JSON.
//!
//! **A read sees every write that was answered before it.** The keeper announces a change before it answers the
//! writer ([`RawStore`]), and each read takes what was announced first: no task runs behind, so nothing can lag.
//! A kind is listed at its first read; after a gap (more changes between two reads than the keeper buffers), and after
//! a write whose outcome is unknown, it is listed again.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::shelf::{Entry, Shelf};
use super::{RawError, RawEvent, RawStore};
use crate::resources::Kind;

/// See the module.
pub(super) struct Mirror {
    raw: Arc<dyn RawStore>,
    state: Mutex<State>,
    /// One list at a time: those who wait find the kind read.
    listing: tokio::sync::Mutex<()>,
}

struct State {
    changes: broadcast::Receiver<RawEvent>,
    /// By plural.
    shelves: HashMap<&'static str, Box<dyn AnyShelf>>,
}

/// A shelf of whatever kind.
trait AnyShelf: Send {
    fn apply(&mut self, event: &RawEvent);
    fn forget(&mut self);
    fn any(&mut self) -> &mut dyn Any;
}

impl<K: Kind> AnyShelf for Shelf<K> {
    fn apply(&mut self, event: &RawEvent) {
        self.apply(event);
    }

    fn forget(&mut self) {
        self.forget();
    }

    fn any(&mut self) -> &mut dyn Any {
        self
    }
}

impl Mirror {
    pub(super) fn new(raw: Arc<dyn RawStore>) -> Self {
        let changes = raw.changes();
        Self {
            raw,
            state: Mutex::new(State { changes, shelves: HashMap::new() }),
            listing: tokio::sync::Mutex::default(),
        }
    }

    /// Looks at the objects of a kind as they are now. `look` runs under a lock: it clones what it needs, no more.
    pub(super) async fn read<K: Kind, R>(
        self: &Arc<Self>,
        mut look: impl FnMut(&BTreeMap<String, Entry<K>>, &Shelf<K>) -> R,
    ) -> Result<R, RawError> {
        loop {
            let found = self.caught_up().shelf::<K>().and_then(|shelf| shelf.entries().map(|all| look(all, shelf)));
            match found {
                Some(found) => return Ok(found),
                None => self.list_apart::<K>().await?,
            }
        }
    }

    /// What is known of the kind may be wrong: the next read lists it again.
    pub(super) fn forget<K: Kind>(&self) {
        if let Some(shelf) = self.caught_up().shelves.get_mut(K::PLURAL) {
            shelf.forget();
        }
    }

    /// In a task of its own. A caller may be one of several futures that are looked at in turn, and stand still while its
    /// owner waits for another read: with the turn in its hands that one, and everybody else, would wait for ever.
    async fn list_apart<K: Kind>(self: &Arc<Self>) -> Result<(), RawError> {
        let mirror = Arc::clone(self);
        let listed = tokio::spawn(async move { mirror.list::<K>().await }).await;
        listed.unwrap_or_else(|join| {
            Err(RawError::Backend { doing: format!("listing {}", K::PLURAL), source: Box::new(join) })
        })
    }

    async fn list<K: Kind>(&self) -> Result<(), RawError> {
        let _turn = self.listing.lock().await;
        {
            let mut state = self.caught_up();
            if state.shelf::<K>().is_some_and(|shelf| shelf.entries().is_some()) {
                return Ok(());
            }
            state.shelves.insert(K::PLURAL, Box::new(Shelf::<K>::listing()));
        }
        let list = self.raw.list(K::PLURAL, None).await?;
        if let Some(shelf) = self.caught_up().shelf::<K>() {
            shelf.fill(list);
        }
        Ok(())
    }

    /// The state with every change that was announced until now.
    fn caught_up(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up();
        state
    }
}

impl State {
    fn catch_up(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(event) => {
                    if let Some(shelf) = self.shelves.get_mut(event.plural) {
                        shelf.apply(&event);
                    }
                }
                Err(TryRecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "changes were made faster than read; listing again");
                    self.shelves.values_mut().for_each(|shelf| shelf.forget());
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn shelf<K: Kind>(&mut self) -> Option<&mut Shelf<K>> {
        self.shelves.get_mut(K::PLURAL)?.any().downcast_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::super::sqlite::Sqlite;
    use super::super::{RawError, Store};
    use super::*;
    use crate::resources::{LABEL_VOLUME, Object, Replica, Volume};

    /// What a test does to the store; objects are named by number.
    #[derive(Clone, Debug)]
    enum Step {
        Create(u8),
        Move(u8, u8),
        Relabel(u8, u8),
        Delete(u8),
        Finish(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6_u8).prop_map(Step::Create),
            (0..6_u8, 0..3_u8).prop_map(|(name, node)| Step::Move(name, node)),
            (0..6_u8, 0..3_u8).prop_map(|(name, volume)| Step::Relabel(name, volume)),
            (0..6_u8).prop_map(Step::Delete),
            (0..6_u8).prop_map(Step::Finish),
        ]
    }

    /// Does the step; that it may not be possible (no such object) is fine.
    async fn take(store: &Store, step: &Step) {
        let name = |number: &u8| format!("r-{number}");
        let _ = match step {
            Step::Create(number) => {
                store.create(&Object::<Replica>::new(name(number), Default::default())).await.map(drop)
            }
            Step::Move(number, node) => {
                let change = |replica: &mut Object<Replica>| replica.spec.node_id = format!("node-{node}");
                store.modify(&name(number), change).await.map(drop)
            }
            Step::Relabel(number, volume) => {
                let label = (LABEL_VOLUME.to_owned(), format!("v-{volume}"));
                let change = |replica: &mut Object<Replica>| replica.metadata.labels = [label.clone()].into();
                store.modify(&name(number), change).await.map(drop)
            }
            Step::Delete(number) => store.delete::<Replica>(&name(number)).await,
            Step::Finish(number) => store.remove_finalizer::<Replica>(&name(number)).await,
        };
    }

    /// The same question asked of what is on the disk.
    async fn on_disk(raw: &dyn RawStore, label: Option<(&str, &str)>) -> Vec<(String, String)> {
        let list = raw.list(Replica::PLURAL, label).await.map_err(|error| format!("{error:?}")).unwrap();
        list.items.into_iter().map(|raw| (raw.metadata.name, raw.metadata.resource_version)).collect()
    }

    fn seen(objects: Vec<Object<Replica>>) -> Vec<(String, String)> {
        objects.into_iter().map(|object| (object.metadata.name, object.metadata.resource_version)).collect()
    }

    #[test]
    fn a_read_sees_every_write_that_was_answered() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        // Room for three changes only, so that runs of steps without a read leave gaps.
        let steps = prop::collection::vec((step(), any::<bool>()), 1..40);
        let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
        let outcome = runner.run(&steps, |steps| {
            runtime.block_on(async {
                let directory = tempfile::tempdir().unwrap();
                let sqlite = Sqlite::open_buffered(&directory.path().join("aurochs.db"), 3).await.unwrap();
                let raw: Arc<dyn RawStore> = Arc::new(sqlite);
                // One writes and looks now and then, the other never does anything but look.
                let (writer, reader) = (Store::new(raw.clone()), Store::new(raw.clone()));
                for (step, look) in &steps {
                    take(&writer, step).await;
                    for store in if *look { vec![&writer, &reader] } else { vec![] } {
                        prop_assert_eq!(seen(store.list::<Replica>().await.unwrap()), on_disk(&*raw, None).await);
                        for volume in ["v-0", "v-1", "v-2"] {
                            let found = store.list_labelled::<Replica>(LABEL_VOLUME, volume).await.unwrap();
                            prop_assert_eq!(seen(found), on_disk(&*raw, Some((LABEL_VOLUME, volume))).await);
                        }
                    }
                }
                Ok(())
            })
        });
        outcome.unwrap();
    }

    #[tokio::test]
    async fn many_readers_and_writers_at_once_end_with_the_same_picture() {
        let directory = tempfile::tempdir().unwrap();
        let raw: Arc<dyn RawStore> =
            Arc::new(Sqlite::open_buffered(&directory.path().join("aurochs.db"), 2).await.unwrap());
        let store = Store::new(raw.clone());
        let tasks = (0..6_u8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                take(&store, &Step::Create(number)).await;
                for turn in 0..20_u8 {
                    take(&store, &Step::Move(number, turn)).await;
                    let read = store.get::<Replica>(&format!("r-{number}")).await.unwrap();
                    assert_eq!(read.spec.node_id, format!("node-{turn}"));
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(seen(store.list().await.unwrap()), on_disk(&*raw, None).await);
    }

    #[tokio::test]
    async fn after_a_write_with_an_unknown_outcome_the_kind_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let raw: Arc<dyn RawStore> = Arc::new(Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap());
        let store = Store::new(raw);
        store.create(&Object::<Volume>::new("a", Default::default())).await.unwrap();
        assert_eq!(store.list::<Volume>().await.unwrap().len(), 1);
        let failed: Result<(), _> =
            Err(RawError::Backend { doing: "writing".into(), source: "the disk is full".into() });
        assert!(store.written::<Volume, ()>("a", failed).is_err());
        assert!(store.mirror.caught_up().shelf::<Volume>().unwrap().entries().is_none());
        assert_eq!(store.list::<Volume>().await.unwrap().len(), 1);
    }
}
