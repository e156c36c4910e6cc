//! Deleting a volume: engine down, replicas' files gone, control record gone, then the resources. Each step looks at
//! what is left, so that a deletion goes on after a restart.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};

use super::super::runtime::Next;
use super::super::{Context, Error};
use super::family::Family;
use super::{causes, clone, open_close};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::record;
use crate::resources::engine::InstanceState;
use crate::resources::volume::{VolumeState, VolumeStatus};
use crate::resources::{Engine, Kind, LABEL_VOLUME, Object, Replica, Snapshot, Volume, VolumeAttachment};

/// How soon to look again while others are at work; their changes usually wake us earlier.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &Context, volume: &Object<Volume>) -> Result<Next, Error> {
    let (store, name) = (&context.store, volume.name());
    let replicas = store.list_labelled::<Replica>(LABEL_VOLUME, name).await?;
    if volume.status.state != VolumeState::Deleting {
        let message = format!("Volume {name} is being deleted with its data.");
        context.events.emit(&ObjectRef::from(volume), Reason::Deleting, EventType::Normal, &message);
    }
    tell(context, volume, &replicas).await?;
    if let Some(engine) = store.list_labelled::<Engine>(LABEL_VOLUME, name).await?.into_iter().next() {
        let quiet = engine.status.current_state == InstanceState::Stopped;
        open_close::close(context, &Family { engine, replicas: replicas.clone() }).await?;
        if !quiet {
            return Ok(Next::After(LOOK_AGAIN));
        }
    }
    // Nobody reads from it any more.
    clone::let_source_go(context, volume).await?;
    if !replicas.is_empty() {
        delete_all(context, &replicas).await?;
        return Ok(Next::After(LOOK_AGAIN));
    }
    // Only now: as long as a replica is there, the record says whether its data may be trusted.
    record::delete(&context.clients, name).await?;
    let engines = store.list_labelled::<Engine>(LABEL_VOLUME, name).await?;
    let snapshots = store.list_labelled::<Snapshot>(LABEL_VOLUME, name).await?;
    let attachments = store.list_labelled::<VolumeAttachment>(LABEL_VOLUME, name).await?;
    if engines.is_empty() && snapshots.is_empty() && attachments.is_empty() {
        store.remove_finalizer::<Volume>(name).await?;
        let message = format!("Volume {name} is deleted.");
        context.events.emit(&ObjectRef::from(volume), Reason::Delete, EventType::Normal, &message);
        return Ok(Next::Wait);
    }
    delete_all(context, &engines).await?;
    delete_all(context, &snapshots).await?;
    delete_all(context, &attachments).await?;
    for snapshot in &snapshots {
        // The layers went with the replicas.
        store.remove_finalizer::<Snapshot>(snapshot.name()).await?;
    }
    Ok(Next::After(LOOK_AGAIN / 10))
}

async fn delete_all<K: Kind>(context: &Context, objects: &[Object<K>]) -> Result<(), Error> {
    for object in objects.iter().filter(|object| !object.is_deleting()) {
        match context.store.delete::<K>(object.name()).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn tell(context: &Context, volume: &Object<Volume>, replicas: &[Object<Replica>]) -> Result<(), Error> {
    let unreachable =
        |replica: &&Object<Replica>| replica.spec.is_placed() && !context.instances.answers(&replica.spec.node_id);
    let failing = replicas.iter().filter_map(causes::removal_fails);
    let causes: Vec<Cause> = replicas
        .iter()
        .filter(unreachable)
        .map(|replica| Cause {
            code: CauseCode::NodeDown,
            severity: Severity::Warning,
            message: format!(
                "The files of replica {} can't be removed: {} does not answer.",
                replica.name(),
                replica.spec.node_id
            ),
            next_step: "Bring the node back, or remove it if it is lost for good; the deletion then goes on by itself."
                .to_owned(),
            objects: vec![replica.name().to_owned(), replica.spec.node_id.clone()],
            details: Vec::new(),
        })
        .chain(failing)
        .collect();
    let change = |status: &mut VolumeStatus| {
        status.state = VolumeState::Deleting;
        status.causes.clone_from(&causes);
    };
    context.store.modify_status::<Volume>(volume.name(), change).await?;
    Ok(())
}
