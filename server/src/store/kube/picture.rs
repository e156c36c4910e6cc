//! The objects of one kind as the API server last told them, and the announcement of every change.
//!
//! Everything that changes the picture comes from one place, the kind's [follower](super::follow), in the order in which the
//! API server did it. A writer does not put its own change in: it waits until the follower has brought it, so that no
//! announcement overtakes another one. Announcements have numbers of their own, which grow by one: several objects can
//! vanish at one version of the API server, behind a gap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use super::super::{RawEvent, RawList, RawObject};

/// See the module.
pub(super) struct Picture {
    plural: &'static str,
    state: Mutex<State>,
    changes: broadcast::Sender<RawEvent>,
    /// Told whenever the picture has moved, after it has.
    moved: watch::Sender<()>,
}

#[derive(Default)]
pub(super) struct State {
    objects: BTreeMap<String, Arc<RawObject>>,
    /// The API server's version up to which the picture is complete; none while it was never listed.
    pub(super) seen: Option<u64>,
    /// Number of the last announcement.
    announced: u64,
}

impl Picture {
    pub(super) fn new(plural: &'static str, changes: broadcast::Sender<RawEvent>) -> Self {
        Self { plural, state: Mutex::default(), changes, moved: watch::Sender::new(()) }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<RawObject>> {
        self.lock().objects.get(name).cloned()
    }

    /// The objects with this label, or all, as of the last announcement.
    pub(super) fn list(&self, label: Option<(&str, &str)>) -> RawList {
        let state = self.lock();
        let is_meant = |object: &&Arc<RawObject>| {
            label.is_none_or(|(key, value)| object.metadata.labels.get(key).is_some_and(|found| found == value))
        };
        let items = state.objects.values().filter(is_meant).map(|object| RawObject::clone(object)).collect();
        RawList { items, version: state.announced }
    }

    /// Returns when `is_there` says so of the picture.
    pub(super) async fn until(&self, is_there: impl Fn(&State) -> bool) {
        let mut moved = self.moved.subscribe();
        while !is_there(&self.lock()) {
            // The sender lives as long as this.
            let _ = moved.changed().await;
        }
    }

    // === the follower's ===

    /// The whole kind as of this version: what is new, changed or gone since the last time is announced.
    pub(super) fn fill(&self, objects: Vec<RawObject>, version: u64) {
        let mut state = self.lock();
        let mut vanished: BTreeMap<String, Arc<RawObject>> = std::mem::take(&mut state.objects);
        let mut changed = Vec::new();
        for object in objects {
            match vanished.remove(&object.metadata.name) {
                Some(known) if known.metadata.resource_version == object.metadata.resource_version => {
                    state.objects.insert(known.metadata.name.clone(), known);
                }
                _ => changed.push(Arc::new(object)),
            }
        }
        changed.sort_by_key(|object| object.version());
        for object in vanished.into_values() {
            self.announce(&mut state, object, true);
        }
        for object in changed {
            state.objects.insert(object.metadata.name.clone(), object.clone());
            self.announce(&mut state, object, false);
        }
        state.seen = Some(version);
        drop(state);
        self.moved.send_replace(());
    }

    /// An object is new or changed.
    pub(super) fn put(&self, object: RawObject) {
        let (object, mut state) = (Arc::new(object), self.lock());
        state.see(object.version());
        let known = state.objects.insert(object.metadata.name.clone(), object.clone());
        if known.is_none_or(|known| known.metadata.resource_version != object.metadata.resource_version) {
            self.announce(&mut state, object, false);
        }
        drop(state);
        self.moved.send_replace(());
    }

    /// It is gone; its version is that of its removal.
    pub(super) fn remove(&self, object: RawObject) {
        let mut state = self.lock();
        state.see(object.version());
        if state.objects.remove(&object.metadata.name).is_some() {
            self.announce(&mut state, Arc::new(object), true);
        }
        drop(state);
        self.moved.send_replace(());
    }

    /// Nothing of the kind has changed up to this version.
    pub(super) fn reach(&self, version: u64) {
        self.lock().see(version);
        self.moved.send_replace(());
    }

    /// Under the lock, so that whoever lists has all that was announced before, and nothing else.
    fn announce(&self, state: &mut State, object: Arc<RawObject>, deleted: bool) {
        state.announced += 1;
        // Nobody watching is fine.
        let _ = self.changes.send(RawEvent { plural: self.plural, version: state.announced, deleted, object });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn see(&mut self, version: u64) {
        self.seen = self.seen.max(Some(version));
    }

    /// Whether all that happened up to this version is in it.
    pub(super) fn has_seen(&self, version: u64) -> bool {
        self.seen.is_some_and(|seen| seen >= version)
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawObject> {
        self.objects.get(name).map(|object| &**object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::Metadata;

    fn object(name: &str, version: u64) -> RawObject {
        let metadata = Metadata { name: name.to_owned(), resource_version: version.to_string(), ..Metadata::default() };
        RawObject { metadata, spec: json!({}), status: json!({}) }
    }

    fn told(changes: &mut broadcast::Receiver<RawEvent>) -> Vec<(u64, String, bool)> {
        std::iter::from_fn(|| changes.try_recv().ok())
            .map(|event| (event.version, event.object.metadata.name.clone(), event.deleted))
            .collect()
    }

    #[test]
    fn what_was_missed_in_a_gap_is_announced_one_by_one() {
        let sender = broadcast::Sender::new(16);
        let (mut changes, picture) = (sender.subscribe(), Picture::new("volumes", sender));
        picture.fill(vec![object("a", 3), object("b", 5), object("c", 6)], 6);
        assert_eq!(told(&mut changes), [(1, "a".into(), false), (2, "b".into(), false), (3, "c".into(), false)]);
        // Two went and one changed at versions that nobody was told.
        picture.fill(vec![object("b", 9)], 12);
        assert_eq!(told(&mut changes), [(4, "a".into(), true), (5, "c".into(), true), (6, "b".into(), false)]);
        assert_eq!(picture.list(None).version, 6);
        // The same again is no news.
        picture.fill(vec![object("b", 9)], 13);
        assert!(told(&mut changes).is_empty());
    }

    #[test]
    fn a_change_is_announced_once() {
        let sender = broadcast::Sender::new(16);
        let (mut changes, picture) = (sender.subscribe(), Picture::new("volumes", sender));
        picture.fill(Vec::new(), 1);
        picture.put(object("a", 2));
        picture.put(object("a", 2));
        picture.remove(object("a", 4));
        picture.remove(object("a", 4));
        assert_eq!(told(&mut changes), [(1, "a".into(), false), (2, "a".into(), true)]);
        picture.reach(9);
        assert!(picture.lock().has_seen(9) && !picture.lock().has_seen(10));
    }
}
