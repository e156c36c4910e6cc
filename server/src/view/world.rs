//! The resources that answers are made of: loaded for one request, or kept up to date by watches for the live stream.

use std::collections::BTreeMap;

use aurochs_api::instance_manager::InstanceManager as InstanceManagerView;
use aurochs_api::job::Job as JobView;
use aurochs_api::live::{LiveItem, LiveKind};
use aurochs_api::node::Node as NodeView;
use aurochs_api::schema::Resource;
use aurochs_api::setting::Setting as SettingView;
use aurochs_api::volume::Volume as VolumeView;

use super::children::Children;
use super::envelope::Links;
use super::{instance_manager, job, node, setting, volume};
use crate::jobs::Seen;
use crate::resources::{
    Engine, InstanceManager, LABEL_VOLUME, Node, Object, Replica, Setting, Volume, VolumeAttachment,
};
use crate::store::{Store, StoreError, WatchEvent};

/// A change of any kind that the world holds.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and is taken apart at once")]
pub enum Change {
    Volume(WatchEvent<Volume>),
    Engine(WatchEvent<Engine>),
    Replica(WatchEvent<Replica>),
    Attachment(WatchEvent<VolumeAttachment>),
    Node(WatchEvent<Node>),
    InstanceManager(WatchEvent<InstanceManager>),
    Setting(WatchEvent<Setting>),
    Job(JobChange),
}

/// A job is new or different, or has been over for a while.
#[derive(Clone, Debug)]
pub struct JobChange {
    pub id: String,
    pub now: Option<Box<Seen>>,
}

/// A thing that clients see; its view has to be made again when something it is made of changed.
pub type ThingId = (LiveKind, String);

/// Resources by name. Which of them are there depends on who loaded it.
#[derive(Clone, Debug, Default)]
pub struct World {
    volumes: BTreeMap<String, Object<Volume>>,
    engines: Children<Engine>,
    replicas: Children<Replica>,
    attachments: BTreeMap<String, Object<VolumeAttachment>>,
    nodes: BTreeMap<String, Object<Node>>,
    instance_managers: BTreeMap<String, Object<InstanceManager>>,
    settings: BTreeMap<String, Object<Setting>>,
    jobs: BTreeMap<String, Seen>,
}

// === loading ===

impl World {
    /// One volume with what belongs to it; `NotFound` when there is none.
    pub async fn load_volume(store: &Store, name: &str) -> Result<Self, StoreError> {
        let mut world = Self::default();
        let (volume, engines, replicas, attachment) = tokio::try_join!(
            store.get::<Volume>(name),
            store.list_labelled::<Engine>(LABEL_VOLUME, name),
            store.list_labelled::<Replica>(LABEL_VOLUME, name),
            store.find::<VolumeAttachment>(name),
        )?;
        world.put_volume(volume);
        engines.into_iter().for_each(|engine| world.put_engine(engine));
        replicas.into_iter().for_each(|replica| world.put_replica(replica));
        attachment.into_iter().for_each(|attachment| world.put_attachment(attachment));
        Ok(world)
    }

    fn put_volume(&mut self, volume: Object<Volume>) {
        self.volumes.insert(volume.name().to_owned(), volume);
    }

    fn put_engine(&mut self, engine: Object<Engine>) {
        let volume = engine.spec.volume_name.clone();
        self.engines.insert(&volume, engine);
    }

    fn put_replica(&mut self, replica: Object<Replica>) {
        let volume = replica.spec.volume_name.clone();
        self.replicas.insert(&volume, replica);
    }

    fn put_attachment(&mut self, attachment: Object<VolumeAttachment>) {
        self.attachments.insert(attachment.name().to_owned(), attachment);
    }
}

// === following changes ===

impl World {
    /// Takes a change; answers with the thing whose view it touches.
    pub fn apply(&mut self, change: Change) -> Option<ThingId> {
        let (kind, name) = match change {
            Change::Volume(event) => (LiveKind::Volume, keep(&mut self.volumes, event)),
            Change::Engine(event) => (LiveKind::Volume, self.apply_engine(event)?),
            Change::Replica(event) => (LiveKind::Volume, self.apply_replica(event)?),
            Change::Attachment(event) => (LiveKind::Volume, keep(&mut self.attachments, event)),
            Change::Node(event) => (LiveKind::Node, keep(&mut self.nodes, event)),
            Change::InstanceManager(event) => (LiveKind::InstanceManager, keep(&mut self.instance_managers, event)),
            Change::Setting(event) => (LiveKind::Setting, keep(&mut self.settings, event)),
            Change::Job(change) => (LiveKind::Job, self.apply_job(change)),
        };
        Some((kind, name))
    }

    fn apply_job(&mut self, JobChange { id, now }: JobChange) -> String {
        match now {
            Some(seen) => self.jobs.insert(id.clone(), *seen),
            None => self.jobs.remove(&id),
        };
        id
    }

    fn apply_engine(&mut self, event: WatchEvent<Engine>) -> Option<String> {
        match event {
            WatchEvent::Applied(engine) => {
                let volume = engine.spec.volume_name.clone();
                self.put_engine(engine);
                Some(volume)
            }
            WatchEvent::Deleted(engine) => self.engines.remove(engine.name()),
        }
    }

    fn apply_replica(&mut self, event: WatchEvent<Replica>) -> Option<String> {
        match event {
            WatchEvent::Applied(replica) => {
                let volume = replica.spec.volume_name.clone();
                self.put_replica(replica);
                Some(volume)
            }
            WatchEvent::Deleted(replica) => self.replicas.remove(replica.name()),
        }
    }
}

/// Puts or removes an object in its map; answers with its name.
fn keep<K: crate::resources::Kind>(objects: &mut BTreeMap<String, Object<K>>, event: WatchEvent<K>) -> String {
    let name = event.object().name().to_owned();
    match event {
        WatchEvent::Applied(object) => objects.insert(name.clone(), object),
        WatchEvent::Deleted(_) => objects.remove(&name),
    };
    name
}

// === views ===

impl World {
    #[must_use]
    pub fn volume(&self, name: &str, links: Links<'_>) -> Option<Resource<VolumeView>> {
        let volume = self.volumes.get(name)?;
        let parts = volume::Parts {
            volume,
            engines: self.engines.of(name).collect(),
            replicas: self.replicas.of(name).collect(),
            attachment: self.attachments.get(name),
        };
        Some(volume::resource(&parts, links))
    }

    fn node(&self, name: &str, links: Links<'_>) -> Option<Resource<NodeView>> {
        Some(node::resource(self.nodes.get(name)?, links))
    }

    /// The view of a thing of the live stream; none when it is gone.
    #[must_use]
    pub fn live_item(&self, (kind, name): &ThingId, links: Links<'_>) -> Option<LiveItem> {
        match kind {
            LiveKind::Volume => self.volume(name, links).map(|found| LiveItem::Volume(Box::new(found))),
            LiveKind::Node => self.node(name, links).map(|found| LiveItem::Node(Box::new(found))),
            LiveKind::InstanceManager => {
                self.instance_manager(name, links).map(|found| LiveItem::InstanceManager(Box::new(found)))
            }
            LiveKind::Setting => self.setting(name, links).map(|found| LiveItem::Setting(Box::new(found))),
            LiveKind::Job => self.job(name, links).map(|found| LiveItem::Job(Box::new(found))),
        }
    }

    fn instance_manager(&self, name: &str, links: Links<'_>) -> Option<Resource<InstanceManagerView>> {
        Some(instance_manager::resource(self.instance_managers.get(name)?, links))
    }

    fn job(&self, id: &str, links: Links<'_>) -> Option<Resource<JobView>> {
        Some(job::resource(self.jobs.get(id)?, &[], links))
    }

    fn setting(&self, name: &str, links: Links<'_>) -> Option<Resource<SettingView>> {
        Some(setting::resource(crate::settings::definition(name)?, self.settings.get(name), links))
    }
}
