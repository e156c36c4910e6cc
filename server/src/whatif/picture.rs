//! The store at one moment, as the questions need it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::controllers::volume::cluster;
use crate::controllers::volume::foresee::{Prospect, Scene};
use crate::error::ApiError;
use crate::instance::Instances;
use crate::resources::{Engine, Node, Object, Replica, Volume, VolumeAttachment};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// See the module.
pub struct Picture {
    pub(super) volumes: BTreeMap<String, Arc<Object<Volume>>>,
    /// By volume.
    pub(super) engines: BTreeMap<String, Arc<Object<Engine>>>,
    pub(super) attachments: BTreeMap<String, Arc<Object<VolumeAttachment>>>,
    pub(super) replicas: Vec<Object<Replica>>,
    pub(super) nodes: Vec<Arc<Object<Node>>>,
    pub(super) settings: Settings,
    instances: Instances,
    /// Places in `replicas`, by volume.
    by_volume: BTreeMap<String, Vec<usize>>,
    /// The same, by name.
    by_name: HashMap<String, usize>,
}

impl Picture {
    pub async fn read(store: &Store, settings: &Settings, instances: &Instances) -> Result<Self, StoreError> {
        let replicas = store.list::<Replica>().await?;
        let mut by_volume: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, replica) in replicas.iter().enumerate() {
            by_volume.entry(replica.spec.volume_name.clone()).or_default().push(place);
        }
        let by_name = replicas.iter().enumerate().map(|(place, replica)| (replica.name().to_owned(), place)).collect();
        let volumes = store.list_shared::<Volume>().await?;
        let engines = store.list_shared::<Engine>().await?;
        let attachments = store.list_shared::<VolumeAttachment>().await?;
        Ok(Self {
            volumes: volumes.into_iter().map(|volume| (volume.name().to_owned(), volume)).collect(),
            engines: engines.into_iter().map(|engine| (engine.spec.volume_name.clone(), engine)).collect(),
            attachments: attachments.into_iter().map(|one| (one.name().to_owned(), one)).collect(),
            nodes: store.list_shared::<Node>().await?,
            settings: settings.clone(),
            instances: instances.clone(),
            replicas,
            by_volume,
            by_name,
        })
    }

    pub(super) fn volume(&self, name: &str) -> Result<&Arc<Object<Volume>>, ApiError> {
        if name.is_empty() {
            return Err(super::missing("volume", "change=replicaCount&volume=data&replicaCount=2"));
        }
        self.volumes.get(name).ok_or_else(|| ApiError::not_found("volume", name))
    }

    pub(super) fn node(&self, name: &str) -> Result<&Arc<Object<Node>>, ApiError> {
        if name.is_empty() {
            return Err(super::missing("node", "change=evictNode&node=node-1"));
        }
        self.nodes.iter().find(|node| node.name() == name).ok_or_else(|| ApiError::not_found("node", name))
    }

    pub(super) fn replica(&self, name: &str) -> Option<&Object<Replica>> {
        self.replicas.get(*self.by_name.get(name)?)
    }

    pub(super) fn replicas_of(&self, volume: &str) -> impl Iterator<Item = &Object<Replica>> {
        let places = self.by_volume.get(volume).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.replicas.get(*place))
    }

    pub(super) fn prospect(&self, volume: &Object<Volume>) -> Prospect {
        let engine = self.engines.get(volume.name()).map(Arc::as_ref);
        Prospect::new(volume, engine, self.replicas_of(volume.name()).cloned().collect())
    }

    /// As things are, or with other nodes than there are.
    pub(super) fn scene(&self, nodes: Vec<Arc<Object<Node>>>) -> Scene {
        let plain: Vec<Object<Node>> = nodes.iter().map(|node| Object::clone(node)).collect();
        let views = cluster::views_now(&plain, &self.replicas, &self.settings, &self.instances);
        Scene { views, nodes, rules: cluster::rules(&self.settings), settings: self.settings.clone() }
    }

    pub(super) fn scene_now(&self) -> Scene {
        self.scene(self.nodes.clone())
    }

    /// The name of a disk as people know it; its UUID where no node has it.
    pub(super) fn disk_name(&self, node: &str, uuid: &str) -> String {
        let disks = self.nodes.iter().filter(|one| one.name() == node).flat_map(|one| &one.status.disk_status);
        let name = disks.into_iter().find(|(_, disk)| disk.disk_uuid == uuid).map(|(name, _)| name.clone());
        name.unwrap_or_else(|| uuid.to_owned())
    }
}
