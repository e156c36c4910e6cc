//! The present values, in memory. The setting controller keeps them as the store has them, so that a reader never waits.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, MutexGuard, watch};

use super::data_engine;
use super::{DataEngine, Name};
use crate::resources::{Object, Setting};

/// Cheap to clone, all clones see the same.
#[derive(Clone, Debug)]
pub struct Settings {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    values: RwLock<BTreeMap<Name, Known>>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
    /// Held by who checks a value against the others and writes it.
    writing: Mutex<()>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    value: String,
    /// The store's version of it; 0 where nobody told.
    version: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let shared = Shared { values: RwLock::default(), changes: watch::Sender::new(0), writing: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }
}

// === writing ===

impl Settings {
    /// Takes over what the store has. What is older than what is known is left: the writer of a value tells it at once, and
    /// the watch tells it again later.
    pub fn take(&self, stored: &Object<Setting>) {
        let version = stored.metadata.resource_version.parse().unwrap_or(0);
        self.put(stored.name(), Known { value: stored.spec.value.clone(), version });
    }

    /// A value that no store has told yet.
    pub fn set(&self, name: &str, value: &str) {
        self.put(name, Known { value: value.to_owned(), version: 0 });
    }

    /// The default is in force again.
    pub fn forget(&self, name: &str) {
        let Some(name) = Name::of_word(name) else { return };
        let mut values = self.shared.values.write().unwrap_or_else(PoisonError::into_inner);
        let removed = values.remove(&name);
        drop(values);
        self.announce(removed.is_some());
    }

    fn put(&self, name: &str, known: Known) {
        let Some(name) = Name::of_word(name) else { return };
        let mut values = self.shared.values.write().unwrap_or_else(PoisonError::into_inner);
        let before = values.get(&name);
        if known.version != 0 && before.is_some_and(|before| before.version > known.version) {
            return;
        }
        let is_new = before.is_none_or(|before| before.value != known.value);
        values.insert(name, known);
        drop(values);
        self.announce(is_new);
    }

    fn announce(&self, changed: bool) {
        self.shared.changes.send_if_modified(|count| {
            *count = count.wrapping_add(u64::from(changed));
            changed
        });
    }

    /// To be held while a value is checked against others and written: two changes at once would not see each other.
    pub async fn writing(&self) -> MutexGuard<'_, ()> {
        self.shared.writing.lock().await
    }

    /// Wakes whenever a value has changed, so that it takes effect now and not with the next resync.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

// === reading ===

impl Settings {
    /// The value as text; the default when nothing (or nothing readable) is stored. For a setting that differs by
    /// data engine: the value of `v1`.
    #[must_use]
    pub fn text(&self, name: Name) -> String {
        self.text_for(name, DataEngine::V1)
    }

    #[must_use]
    pub fn flag(&self, name: Name) -> bool {
        self.text(name) == "true"
    }

    /// 0 for a setting that is no whole number or below zero.
    #[must_use]
    pub fn number(&self, name: Name) -> u64 {
        self.number_for(name, DataEngine::V1)
    }

    /// The value for volumes of this data engine; empty when the setting has none for it.
    #[must_use]
    pub fn text_for(&self, name: Name, engine: DataEngine) -> String {
        let stored = {
            let values = self.shared.values.read().unwrap_or_else(PoisonError::into_inner);
            values.get(&name).map(|known| known.value.clone())
        };
        let definition = name.definition();
        let part = |value: &str| match definition.per_engine {
            true => data_engine::parts(value).remove(engine.word()).unwrap_or_default(),
            false => value.to_owned(),
        };
        match stored.as_deref().map(part) {
            Some(value) if definition.check_part(&value).is_ok() => value,
            _ => part(definition.default),
        }
    }

    #[must_use]
    pub fn flag_for(&self, name: Name, engine: DataEngine) -> bool {
        self.text_for(name, engine) == "true"
    }

    /// 0 for a setting that is no whole number, is below zero, or has no value for this data engine.
    #[must_use]
    pub fn number_for(&self, name: Name, engine: DataEngine) -> u64 {
        self.text_for(name, engine).parse().unwrap_or(0)
    }
}
