//! Resources that belong to a volume, found by it.

use std::collections::{BTreeMap, HashMap};

use crate::resources::{Kind, Object};

/// The engines, replicas or attachments of all volumes.
#[derive(Clone, Debug)]
pub(crate) struct Children<K: Kind> {
    by_volume: BTreeMap<String, BTreeMap<String, Object<K>>>,
    /// Which volume a name belongs to: of a resource that is gone nothing but the name may be known.
    volume_of: HashMap<String, String>,
}

impl<K: Kind> Default for Children<K> {
    fn default() -> Self {
        Self { by_volume: BTreeMap::new(), volume_of: HashMap::new() }
    }
}

impl<K: Kind> Children<K> {
    pub(crate) fn insert(&mut self, volume: &str, object: Object<K>) {
        let name = object.name().to_owned();
        self.volume_of.insert(name.clone(), volume.to_owned());
        self.by_volume.entry(volume.to_owned()).or_default().insert(name, object);
    }

    /// Forgets the resource; answers with its volume.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let volume = self.volume_of.remove(name)?;
        if let Some(siblings) = self.by_volume.get_mut(&volume) {
            siblings.remove(name);
            if siblings.is_empty() {
                self.by_volume.remove(&volume);
            }
        }
        Some(volume)
    }

    /// Those of one volume, by name.
    pub(crate) fn of<'a>(&'a self, volume: &str) -> impl Iterator<Item = &'a Object<K>> + use<'a, K> {
        self.by_volume.get(volume).into_iter().flat_map(BTreeMap::values)
    }
}
