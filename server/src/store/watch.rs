//! A typed watch over a keeper's changes: starts with what is there, heals itself after a gap.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::mirror::Mirror;
use super::shelf::Entry;
use super::{RawEvent, RawObject, RawStore, Told, decode};
use crate::resources::{Kind, Object};

/// A change of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<K: Kind> {
    /// It is new or changed (or merely told again after a gap).
    Applied(Object<K>),
    /// It is gone. After a gap only the metadata's name is sure.
    Deleted(Object<K>),
}

impl<K: Kind> WatchEvent<K> {
    #[must_use]
    pub fn object(&self) -> &Object<K> {
        match self {
            Self::Applied(object) | Self::Deleted(object) => object,
        }
    }
}

/// Pause before listing again after the keeper failed, so that a broken one is not hammered.
const RELIST_PAUSE: Duration = Duration::from_secs(1);

/// See [`super::Store::watch`].
pub struct Watch<K: Kind> {
    /// What is there is asked of what readers see, and not of the keeper: a list that were ahead of them would swallow the
    /// announcement that wakes those who have to look.
    mirror: Arc<Mirror>,
    changes: Option<broadcast::Receiver<RawEvent>>,
    pending: VecDeque<WatchEvent<K>>,
    /// What this watcher has told, to find what vanished during a gap.
    told: Told,
    /// Changes up to this version are contained in the last list.
    listed_version: u64,
    /// At the start and after a gap; stays set when a list is cancelled half-way.
    must_list: bool,
    kind: PhantomData<K>,
}

impl<K: Kind> Watch<K> {
    pub(super) fn new(raw: &dyn RawStore, mirror: Arc<Mirror>) -> Self {
        // Subscribed now, so that nothing is missed between this call and the first list.
        let changes = Some(raw.changes());
        let told = Told::new();
        Self { mirror, changes, pending: VecDeque::new(), told, listed_version: 0, must_list: true, kind: PhantomData }
    }

    /// The next change; `None` when the keeper has shut down. Safe to cancel.
    pub async fn next(&mut self) -> Option<WatchEvent<K>> {
        loop {
            if self.must_list {
                self.list_again().await;
            }
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let received = self.changes.as_mut()?.recv().await;
            match received {
                Ok(event) => self.take(&event),
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(kind = K::KIND, missed, "a watcher fell behind; listing again");
                    self.must_list = true;
                }
                Err(RecvError::Closed) => self.changes = None,
            }
        }
    }

    /// As a stream, for WebSockets and `select!`.
    pub fn into_stream(self) -> impl futures::Stream<Item = WatchEvent<K>> + Send {
        futures::stream::unfold(self, |mut watch| async move { watch.next().await.map(|event| (event, watch)) })
    }

    fn take(&mut self, event: &RawEvent) {
        if event.plural != K::PLURAL || event.version <= self.listed_version {
            return;
        }
        if event.deleted {
            self.told.remove(&event.object.metadata.name);
        } else {
            self.told.insert(event.object.metadata.name.clone(), event.object.version());
        }
        self.push(&event.object, event.deleted);
    }

    async fn list_again(&mut self) {
        let (entries, version) = loop {
            match self.mirror.read::<K, _>(|all, shelf| (all.clone(), shelf.version())).await {
                Ok(found) => break found,
                Err(error) => {
                    tracing::warn!(kind = K::KIND, ?error, "listing for a watcher failed; trying again");
                    tokio::time::sleep(RELIST_PAUSE).await;
                }
            }
        };
        self.must_list = false;
        self.listed_version = version;
        let mut vanished = std::mem::take(&mut self.told);
        for (name, entry) in entries {
            let version = entry.version();
            let known = vanished.remove(&name);
            self.told.insert(name, version);
            if known != Some(version) {
                self.push_entry(entry);
            }
        }
        for name in vanished.into_keys() {
            self.pending.push_back(WatchEvent::Deleted(Object::new(name, K::Spec::default())));
        }
    }

    fn push_entry(&mut self, entry: Entry<K>) {
        match entry.object() {
            Ok(object) => self.pending.push_back(WatchEvent::Applied(Arc::unwrap_or_clone(object))),
            Err(error) => tracing::error!(%error, "a watcher skips an object"),
        }
    }

    fn push(&mut self, object: &RawObject, deleted: bool) {
        match decode::<K>(object.clone()) {
            Ok(object) if deleted => self.pending.push_back(WatchEvent::Deleted(object)),
            Ok(object) => self.pending.push_back(WatchEvent::Applied(object)),
            Err(error) => tracing::error!(%error, "a watcher skips an object"),
        }
    }
}
