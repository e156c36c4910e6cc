//! All volumes with what belongs to each, for the list: nothing is copied out of the store.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::volume::Parts;
use crate::resources::{Engine, Kind, Object, Replica, Volume, VolumeAttachment};
use crate::store::{Store, StoreError};

/// All volumes, by name.
#[derive(Debug)]
pub struct VolumeList {
    volumes: Vec<Arc<Object<Volume>>>,
    engines: HashMap<String, Vec<Arc<Object<Engine>>>>,
    replicas: HashMap<String, Vec<Arc<Object<Replica>>>>,
    attachments: HashMap<String, Arc<Object<VolumeAttachment>>>,
}

impl VolumeList {
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let (volumes, engines, replicas, attachments) = tokio::try_join!(
            store.list_shared::<Volume>(),
            store.list_shared::<Engine>(),
            store.list_shared::<Replica>(),
            store.list_shared::<VolumeAttachment>(),
        )?;
        Ok(Self {
            volumes,
            engines: by_volume(engines, |engine| &engine.spec.volume_name),
            replicas: by_volume(replicas, |replica| &replica.spec.volume_name),
            attachments: attachments.into_iter().map(|found| (found.name().to_owned(), found)).collect(),
        })
    }

    /// Each volume with its parts.
    pub fn iter(&self) -> impl Iterator<Item = Parts<'_>> {
        self.volumes.iter().map(|volume| Parts {
            volume,
            engines: self.engines.get(volume.name()).into_iter().flatten().map(|engine| &**engine).collect(),
            replicas: self.replicas.get(volume.name()).into_iter().flatten().map(|replica| &**replica).collect(),
            attachment: self.attachments.get(volume.name()).map(|attachment| &**attachment),
        })
    }
}

fn by_volume<K: Kind>(
    objects: Vec<Arc<Object<K>>>,
    volume: impl Fn(&Object<K>) -> &String,
) -> HashMap<String, Vec<Arc<Object<K>>>> {
    let mut found: HashMap<String, Vec<_>> = HashMap::new();
    for object in objects {
        found.entry(volume(&object).clone()).or_default().push(object);
    }
    found
}

/// Differs whenever anything that the volume's view is made of was written.
#[must_use]
pub fn fingerprint(parts: &Parts<'_>) -> u64 {
    // Taken apart completely, so that a part that is added later can't be forgotten here.
    let Parts { volume, engines, replicas, attachment } = parts;
    let mut hasher = DefaultHasher::new();
    version(volume, &mut hasher);
    engines.iter().for_each(|engine| version(engine, &mut hasher));
    replicas.iter().for_each(|replica| version(replica, &mut hasher));
    attachment.iter().for_each(|attachment| version(attachment, &mut hasher));
    hasher.finish()
}

fn version<K: Kind>(object: &Object<K>, hasher: &mut DefaultHasher) {
    (K::PLURAL, &object.metadata.uid, &object.metadata.resource_version).hash(hasher);
}
