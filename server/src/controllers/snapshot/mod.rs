//! Mirrors the layers that an engine tells into Snapshot resources, and deletes a layer when its resource is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::snapshot::Snapshot as Layer;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::snapshot::{SnapshotSpec, SnapshotStatus};
use crate::resources::{Engine, LABEL_VOLUME, Object, Snapshot, Volume};

struct Snapshots(Context);

/// Keys are volume names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    vec![
        runtime::feed_from_store::<Engine>(&context.store, &queue, |engine| vec![engine.spec.volume_name.clone()]),
        runtime::feed_from_store::<Snapshot>(&context.store, &queue, |snapshot| {
            if snapshot.is_deleting() { vec![snapshot.spec.volume.clone()] } else { Vec::new() }
        }),
        runtime::run(Arc::new(Snapshots(context.clone())), queue),
    ]
}

impl Controller for Snapshots {
    const NAME: &'static str = "snapshot";

    async fn reconcile(&self, volume_name: &str) -> Result<Next, Error> {
        let store = &self.0.store;
        let known = store.list_labelled::<Snapshot>(LABEL_VOLUME, volume_name).await?;
        let Some(volume) = store.find::<Volume>(volume_name).await?.filter(|volume| !volume.is_deleting()) else {
            // The layers go with the replicas.
            for snapshot in &known {
                remove(&self.0, snapshot).await?;
            }
            return Ok(Next::Wait);
        };
        let engines = store.list_labelled::<Engine>(LABEL_VOLUME, volume_name).await?;
        let Some(engine) = engines.iter().find(|engine| engine.status.current_state == InstanceState::Running) else {
            // Detached: what was last told stays true.
            return Ok(Next::Wait);
        };
        let layers: BTreeMap<&String, &Layer> =
            engine.status.snapshots.iter().filter(|(name, _)| *name != VOLUME_HEAD).collect();
        if engine.status.snapshots.is_empty() {
            return Ok(Next::Wait);
        }
        for snapshot in &known {
            match layers.get(&layer_name(snapshot)) {
                None => remove(&self.0, snapshot).await?,
                Some(layer) if snapshot.is_deleting() && !layer.removed => {
                    self.delete_layer(engine, &layer.name).await?;
                }
                Some(_) => {}
            }
        }
        for layer in layers.values() {
            self.mirror(&volume, layer).await?;
        }
        Ok(Next::Wait)
    }
}

impl Snapshots {
    async fn mirror(&self, volume: &Object<Volume>, layer: &Layer) -> Result<(), Error> {
        let store = &self.0.store;
        let mut name = layer.name.clone();
        let mut known = store.find::<Snapshot>(&name).await?;
        if known.as_ref().is_some_and(|known| known.spec.volume != volume.name()) {
            // Resource names are global, snapshot names are not: another volume has one of this name.
            name = qualified(volume.name(), &layer.name);
            known = store.find::<Snapshot>(&name).await?;
        }
        if known.is_none() {
            let spec = SnapshotSpec {
                volume: volume.name().to_owned(),
                create_snapshot: false,
                labels: layer.labels.clone().unwrap_or_default(),
            };
            store.create(&Object::<Snapshot>::new(&name, spec).owned_by_volume(volume)).await?;
        }
        let restore_size = volume.spec.size;
        let change = |status: &mut SnapshotStatus| {
            status.owner_id = self.0.owner.to_string();
            status.parent.clone_from(&layer.parent);
            status.children.clone_from(&layer.children);
            status.mark_removed = layer.removed;
            status.user_created = layer.usercreated;
            status.ready_to_use = !layer.removed;
            status.creation_time.clone_from(&layer.created);
            status.size = layer.size;
            status.restore_size = restore_size;
            status.labels = layer.labels.clone().unwrap_or_default();
        };
        store.modify_status::<Snapshot>(&name, change).await?;
        Ok(())
    }

    async fn delete_layer(&self, engine: &Object<Engine>, name: &str) -> Result<(), Error> {
        let request = within(CHANGE_TIMEOUT, SnapshotNameRequest { name: name.to_owned() });
        let deleted = self.0.clients.engine(&engine.status.address)?.snapshot_delete(request).await;
        deleted.map_err(rpc(format!("deleting snapshot {name} of {}", engine.spec.volume_name)))?;
        Ok(())
    }
}

fn qualified(volume: &str, layer: &str) -> String {
    format!("{volume}.{layer}")
}

/// The name that the engine knows the snapshot by.
fn layer_name(snapshot: &Object<Snapshot>) -> String {
    let name = snapshot.name();
    let plain = name.strip_prefix(&snapshot.spec.volume).and_then(|rest| rest.strip_prefix('.'));
    plain.unwrap_or(name).to_owned()
}

async fn remove(context: &Context, snapshot: &Object<Snapshot>) -> Result<(), Error> {
    if !snapshot.is_deleting() {
        match context.store.delete::<Snapshot>(snapshot.name()).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    context.store.remove_finalizer::<Snapshot>(snapshot.name()).await?;
    Ok(())
}
