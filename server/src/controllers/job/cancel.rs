//! Ends work that a person asked to cancel.

use std::time::Duration;

use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;

use super::keys;
use crate::controllers::volume::expansion::present_size;
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::backup::ANNOTATION_CANCELLED_BY;
use crate::resources::{Backup, Engine, LABEL_VOLUME, Node, Object, Volume};

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The engine stops reading the snapshot.
    Hash { engine: String, snapshot: String },
    /// The volume wishes for its present size, if it still wishes for this one.
    Expansion { volume: String, size: ByteSize },
    /// The engine stops sending.
    Backup { backup: String },
    /// Nothing has to leave any more.
    Evacuation { node: String, disk: Option<String> },
}

/// A try that failed is made again: the wish was taken, and the job runs on until it is met.
const PAUSE: Duration = Duration::from_secs(5);

/// Until it is done, or the job has ended otherwise and this is aborted.
pub(super) async fn perform(context: &Context, way: &Way) {
    while let Err(error) = once(context, way).await {
        if error.is_gone() {
            return;
        }
        tracing::warn!(?way, %error, "a job could not be cancelled; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(context: &Context, way: &Way) -> Result<(), Error> {
    match way {
        Way::Hash { engine, snapshot } => {
            let found = context.store.get::<Engine>(engine).await?;
            let request = within(CHANGE_TIMEOUT, SnapshotNameRequest { name: snapshot.clone() });
            let stopped = context.clients.engine(&found.status.address)?.snapshot_hash_cancel(request).await;
            stopped.map_err(rpc(format!("stopping the hash of snapshot {snapshot} of engine {engine}")))?;
        }
        Way::Backup { backup } => {
            let by = context.jobs.seen(&keys::backup(backup)).and_then(|seen| seen.record.cancel_asked_by);
            let by = by.unwrap_or_else(|| "a user".to_owned());
            let change = |found: &mut Object<Backup>| {
                found.metadata.annotations.entry(ANNOTATION_CANCELLED_BY.to_owned()).or_insert_with(|| by.clone());
            };
            context.store.modify::<Backup>(backup, change).await?;
        }
        Way::Expansion { volume, size } => take_back(context, volume, *size).await?,
        Way::Evacuation { node, disk } => {
            let change = |found: &mut Object<Node>| match disk {
                None => found.spec.eviction_requested = false,
                Some(disk) => {
                    if let Some(disk) = found.spec.disks.get_mut(disk) {
                        disk.eviction_requested = false;
                    }
                }
            };
            context.store.modify::<Node>(node, change).await?;
        }
    }
    Ok(())
}

/// Whether the engine grows at this very moment, the volume controller sees: then it has the new size after all.
async fn take_back(context: &Context, name: &str, wished: ByteSize) -> Result<(), Error> {
    let engines = context.store.list_labelled::<Engine>(LABEL_VOLUME, name).await?;
    let [engine] = engines.as_slice() else { return Ok(()) };
    let present = present_size(engine);
    let change = |volume: &mut Object<Volume>| {
        if volume.spec.size == wished && present < wished {
            volume.spec.size = present;
        }
    };
    let volume = context.store.modify::<Volume>(name, change).await?;
    if volume.spec.size == present {
        let message = format!("The growth of volume {name} to {wished} was cancelled; it keeps {present}.");
        context.events.emit(&ObjectRef::from(&volume), Reason::CanceledExpansion, EventType::Normal, &message);
    }
    Ok(())
}
