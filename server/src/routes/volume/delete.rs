//! `DELETE /v1/volumes/{name}`: the volume with all its data.

use aurochs_api::volume::{CloneState, VolumeState};
use axum::extract::{Path, State};

use super::engine::RunningEngine;
use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::resources::data_source::DataSource;
use crate::resources::{Object, Volume, VolumeAttachment};
use crate::store::Store;

/// 200 with an empty body, as soon as the deletion is recorded; the replicas' files go in the background.
pub async fn handle(State(app): State<App>, Path(name): Path<String>) -> Result<(), ApiError> {
    let store = &app.store;
    let volume = store.get::<Volume>(&name).await?;
    if volume.is_deleting() {
        return Ok(());
    }
    check_unused(store, &volume).await?;
    // Whatever the tickets say: what is mounted is in use.
    if let Some(engine) = RunningEngine::find(&app, &name).await? {
        engine.check_not_mounted(unmount_first).await?;
    }
    check_no_copies(store, &name).await?;
    store.delete::<Volume>(&name).await?;
    tracing::info!(volume = name, "asked to delete");
    Ok(())
}

fn unmount_first(place: &str) -> String {
    format!("Unmount it (umount {place}), detach it, then delete it.")
}

/// A copy in the making reads this volume.
async fn check_no_copies(store: &Store, name: &str) -> Result<(), ApiError> {
    for copy in store.list::<Volume>().await? {
        let source = copy.spec.data_source.parse::<DataSource>();
        let is_of_this = source.is_ok_and(|source| source.volume.as_str() == name) && !copy.is_deleting();
        let in_the_making =
            !matches!(copy.status.clone_status.state, CloneState::Completed | CloneState::CopyCompletedAwaitingHealthy);
        if is_of_this && in_the_making {
            let message =
                format_args!("volume {name} is not deleted: volume {} is still being copied from it", copy.name());
            return Err(ApiError::new(ErrorKind::Conflict, message, "Wait for the copy, or delete that volume first."));
        }
    }
    Ok(())
}

async fn check_unused(store: &Store, volume: &Object<Volume>) -> Result<(), ApiError> {
    let name = volume.name();
    let attachment = store.find::<VolumeAttachment>(name).await?;
    let tickets = attachment.iter().flat_map(|attachment| attachment.spec.attachment_tickets.values());
    let (workloads, own): (Vec<_>, Vec<_>) = tickets.partition(|ticket| ticket.kind.is_workload());
    if workloads.is_empty() && !own.is_empty() {
        // Only the manager itself works on it, and it stops.
        return Ok(());
    }
    let ticket = workloads.first();
    let node = ticket.map_or(&volume.status.current_node_id, |ticket| &ticket.node_id);
    if ticket.is_some() || (volume.status.state == VolumeState::Attached && !volume.spec.node_id.is_empty()) {
        let message = format_args!("volume {name} is attached to {node}, so it is not deleted");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Unmount it, detach it, then delete it."));
    }
    if !volume.spec.node_id.is_empty() || !volume.status.current_node_id.is_empty() {
        let message = format_args!("volume {name} is still being detached from {node}");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until its state is detached, then delete it."));
    }
    Ok(())
}
