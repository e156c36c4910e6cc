//! A volume's engine and replicas: found, made, named.

use aurochs_api::replica::ReplicaMode;
use rand::Rng;

use super::super::{Context, Error, engine_image};
use crate::resources::engine::{EngineSpec, InstanceState};
use crate::resources::replica::ReplicaSpec;
use crate::resources::volume_attachment::VolumeAttachmentSpec;
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica, Volume, VolumeAttachment};
use crate::store::StoreError;

/// What belongs to one volume, as read at the start of a pass.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub engine: Object<Engine>,
    pub replicas: Vec<Object<Replica>>,
}

impl Family {
    /// Reads it; makes the engine and the place for tickets when they are missing.
    pub(super) async fn of(context: &Context, volume: &Object<Volume>) -> Result<Self, Error> {
        ensure_attachment(context, volume).await?;
        let engine = ensure_engine(context, volume).await?;
        let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, volume.name()).await?;
        Ok(Self { engine, replicas })
    }

    /// Replicas that are not on their way out.
    pub(super) fn staying(&self) -> impl Iterator<Item = &Object<Replica>> {
        self.replicas.iter().filter(|replica| !replica.is_deleting())
    }

    pub(super) fn mode(&self, replica: &str) -> Option<ReplicaMode> {
        self.engine.status.replica_mode_map.get(replica).copied()
    }

    /// Replicas that stay, have all data and serve.
    pub(super) fn whole(&self) -> impl Iterator<Item = &Object<Replica>> {
        self.staying().filter(|replica| self.mode(replica.name()) == Some(ReplicaMode::ReadWrite))
    }

    /// The engine runs with as many whole replicas as are wished.
    pub(super) fn is_kept_whole(&self, volume: &Object<Volume>) -> bool {
        self.engine.status.current_state == InstanceState::Running
            && self.whole().count() >= super::placement::wished(volume)
    }

    /// Replicas that have all data and serve.
    pub(super) fn serving(&self) -> usize {
        self.engine.status.replica_mode_map.values().filter(|mode| **mode == ReplicaMode::ReadWrite).count()
    }

    pub(super) fn can_be_asked(&self) -> bool {
        can_be_asked(&self.engine)
    }

    /// Engine and replicas are all stopped. A replica on a silent node counts as stopped: its process refuses every
    /// epoch but the highest, and it is asked to stop when its node is back.
    pub(super) fn all_closed(&self) -> bool {
        let closed = |state: InstanceState| matches!(state, InstanceState::Stopped | InstanceState::Unknown);
        self.engine.status.current_state == InstanceState::Stopped
            && self.replicas.iter().all(|replica| closed(replica.status.current_state))
    }
}

/// The engine runs, has an address, and has told of its replicas.
#[must_use]
pub(in crate::controllers) fn can_be_asked(engine: &Object<Engine>) -> bool {
    let status = &engine.status;
    status.current_state == InstanceState::Running && !status.address.is_empty() && !status.replica_mode_map.is_empty()
}

#[must_use]
pub(in crate::controllers) fn engine_name(volume: &str) -> String {
    format!("{volume}-e-0")
}

async fn ensure_engine(context: &Context, volume: &Object<Volume>) -> Result<Object<Engine>, Error> {
    let name = engine_name(volume.name());
    if let Some(engine) = context.store.find::<Engine>(&name).await? {
        return Ok(engine);
    }
    let spec = EngineSpec {
        volume_name: volume.name().to_owned(),
        volume_size: volume.spec.size,
        frontend: volume.spec.frontend,
        active: true,
        data_engine: volume.spec.data_engine.clone(),
        image: engine_image::default_image(),
        revision_counter_disabled: volume.spec.revision_counter_disabled,
        snapshot_max_count: volume.spec.snapshot_max_count,
        snapshot_max_size: volume.spec.snapshot_max_size,
        ..EngineSpec::default()
    };
    Ok(context.store.create(&Object::<Engine>::new(name, spec).owned_by_volume(volume)).await?)
}

async fn ensure_attachment(context: &Context, volume: &Object<Volume>) -> Result<(), Error> {
    if context.store.find::<VolumeAttachment>(volume.name()).await?.is_some() {
        return Ok(());
    }
    let spec = VolumeAttachmentSpec { volume: volume.name().to_owned(), ..VolumeAttachmentSpec::default() };
    let attachment = Object::<VolumeAttachment>::new(volume.name(), spec).owned_by_volume(volume);
    match context.store.create(&attachment).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A new replica without a place; its name and its directory's differ, as Longhorn has it.
pub(super) fn new_replica(volume: &Object<Volume>) -> Object<Replica> {
    let mut random = rand::rng();
    let spec = ReplicaSpec {
        volume_name: volume.name().to_owned(),
        volume_size: volume.spec.size,
        engine_name: engine_name(volume.name()),
        data_directory_name: format!("{}-{:08x}", volume.name(), random.random::<u32>()),
        active: true,
        data_engine: volume.spec.data_engine.clone(),
        image: engine_image::default_image(),
        revision_counter_disabled: volume.spec.revision_counter_disabled,
        backing_image: volume.spec.backing_image.clone(),
        snapshot_max_count: volume.spec.snapshot_max_count,
        snapshot_max_size: volume.spec.snapshot_max_size,
        ..ReplicaSpec::default()
    };
    let name = format!("{}-r-{:08x}", volume.name(), random.random::<u32>());
    Object::<Replica>::new(name, spec).owned_by_volume(volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_asked_while_it_runs_and_has_told_of_its_replicas() {
        use InstanceState::{Error, Running, Starting, Stopped, Unknown};
        let modes = || [("v-r-1".to_owned(), ReplicaMode::ReadWrite)].into();
        for (state, address, told, expected) in [
            (Running, "unix:/e", true, true),
            (Running, "unix:/e", false, false),
            (Running, "", true, false),
            (Starting, "unix:/e", true, false),
            (Unknown, "unix:/e", true, false),
            // As an engine that ended leaves its status.
            (Error, "", false, false),
            (Stopped, "", false, false),
        ] {
            let mut engine = Object::<Engine>::new("v-e-0", EngineSpec::default());
            engine.status.current_state = state;
            engine.status.address = address.to_owned();
            engine.status.replica_mode_map = if told { modes() } else { Default::default() };
            assert_eq!(can_be_asked(&engine), expected, "{state:?} {address:?} {told}");
        }
    }
}
