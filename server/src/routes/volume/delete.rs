//! `DELETE /v1/volumes/{name}`: the volume with all its data.

use aurochs_api::volume::VolumeState;
use axum::extract::{Path, State};

use crate::error::{ApiError, ErrorKind};
use crate::resources::{Object, Volume, VolumeAttachment};
use crate::store::Store;

/// 200 with an empty body, as soon as the deletion is recorded; the replicas' files go in the background.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<(), ApiError> {
    let volume = store.get::<Volume>(&name).await?;
    if volume.is_deleting() {
        return Ok(());
    }
    check_unused(&store, &volume).await?;
    store.delete::<Volume>(&name).await?;
    tracing::info!(volume = name, "asked to delete");
    Ok(())
}

async fn check_unused(store: &Store, volume: &Object<Volume>) -> Result<(), ApiError> {
    let name = volume.name();
    let attachment = store.find::<VolumeAttachment>(name).await?;
    let ticket = attachment.as_ref().and_then(|attachment| attachment.spec.attachment_tickets.values().next());
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
