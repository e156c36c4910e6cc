//! The objects of one kind in memory, by name and by the labels that are asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{RawEvent, RawList, RawObject, StoreError, decode};
use crate::resources::{Kind, LABEL_NODE, LABEL_VOLUME, Metadata, Object};

/// Labels by which objects are looked up so often that they have an index; by others all objects are searched.
const INDEXED: [&str; 2] = [LABEL_VOLUME, LABEL_NODE];

/// An object as it was read.
#[derive(Clone, Debug)]
pub(super) enum Entry<K: Kind> {
    Good(Arc<Object<K>>),
    /// This version can't decode it; whoever asks for it is told why.
    Broken(Arc<RawObject>),
}

impl<K: Kind> Entry<K> {
    fn new(raw: &Arc<RawObject>) -> Self {
        decode::<K>(RawObject::clone(raw))
            .map_or_else(|_| Self::Broken(raw.clone()), |object| Self::Good(Arc::new(object)))
    }

    fn metadata(&self) -> &Metadata {
        match self {
            Self::Good(object) => &object.metadata,
            Self::Broken(raw) => &raw.metadata,
        }
    }

    /// The object's version, 0 when it has none.
    pub(super) fn version(&self) -> u64 {
        self.metadata().resource_version.parse().unwrap_or(0)
    }

    /// The object, or why it can't be read.
    pub(super) fn object(self) -> Result<Arc<Object<K>>, StoreError> {
        match self {
            Self::Good(object) => Ok(object),
            Self::Broken(raw) => decode::<K>(RawObject::clone(&raw)).map(Arc::new),
        }
    }
}

/// See the module.
pub(super) struct Shelf<K: Kind> {
    phase: Phase,
    entries: BTreeMap<String, Entry<K>>,
    /// Names by label and value, for [`INDEXED`].
    labelled: HashMap<(&'static str, String), BTreeSet<String>>,
}

enum Phase {
    /// Nothing is known, or what is known may be wrong.
    Unknown,
    /// A list is under way; what changed meanwhile.
    Listing(Vec<RawEvent>),
    /// As the store was at this version: that of the list, or of the last change since.
    Known { version: u64 },
}

impl<K: Kind> Shelf<K> {
    /// A shelf whose list is under way: it collects what changes meanwhile.
    pub(super) fn listing() -> Self {
        Self { phase: Phase::Listing(Vec::new()), entries: BTreeMap::new(), labelled: HashMap::new() }
    }

    /// All objects by name; none while they aren't known.
    pub(super) fn entries(&self) -> Option<&BTreeMap<String, Entry<K>>> {
        matches!(self.phase, Phase::Known { .. }).then_some(&self.entries)
    }

    /// The store's version that the objects are of; changes of the kind up to it are in them.
    pub(super) const fn version(&self) -> u64 {
        match self.phase {
            Phase::Known { version } => version,
            Phase::Unknown | Phase::Listing(_) => 0,
        }
    }

    /// Those that have the label with this value, by name.
    pub(super) fn labelled(&self, key: &str, value: &str) -> Vec<Entry<K>> {
        match INDEXED.iter().find(|indexed| **indexed == key) {
            Some(indexed) => {
                let names = self.labelled.get(&(*indexed, value.to_owned()));
                names.into_iter().flatten().filter_map(|name| self.entries.get(name)).cloned().collect()
            }
            None => {
                let has = |entry: &&Entry<K>| entry.metadata().labels.get(key).is_some_and(|found| found == value);
                self.entries.values().filter(has).cloned().collect()
            }
        }
    }

    /// Takes the list, then what changed while it was made.
    pub(super) fn fill(&mut self, list: RawList) {
        let Phase::Listing(changed) = std::mem::replace(&mut self.phase, Phase::Known { version: list.version }) else {
            // There was a gap meanwhile: this list may miss what was announced in it.
            self.phase = Phase::Unknown;
            return;
        };
        for raw in list.items {
            self.put(&Arc::new(raw));
        }
        changed.iter().for_each(|event| self.apply(event));
    }

    pub(super) fn apply(&mut self, event: &RawEvent) {
        match &mut self.phase {
            Phase::Unknown => {}
            Phase::Listing(changed) => changed.push(event.clone()),
            Phase::Known { version } if event.version <= *version => {}
            Phase::Known { version } => {
                *version = event.version;
                if event.deleted {
                    self.remove(&event.object.metadata.name);
                } else {
                    self.put(&event.object);
                }
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.phase = Phase::Unknown;
        self.entries.clear();
        self.labelled.clear();
    }

    fn put(&mut self, raw: &Arc<RawObject>) {
        let name = &raw.metadata.name;
        self.remove(name);
        for (label, value) in indexed(&raw.metadata) {
            self.labelled.entry((label, value.to_owned())).or_default().insert(name.clone());
        }
        self.entries.insert(name.clone(), Entry::new(raw));
    }

    fn remove(&mut self, name: &str) {
        let Some(entry) = self.entries.remove(name) else {
            return;
        };
        for (label, value) in indexed(entry.metadata()) {
            let key = (label, value.to_owned());
            if let Some(names) = self.labelled.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.labelled.remove(&key);
                }
            }
        }
    }
}

/// The labels of an object that have an index.
fn indexed(metadata: &Metadata) -> impl Iterator<Item = (&'static str, &str)> {
    INDEXED.iter().filter_map(|label| Some((*label, metadata.labels.get(*label)?.as_str())))
}
