//! `DELETE /v1/nodes/{name}`: takes away a node that is gone.

use axum::extract::{Path, State};

use crate::controllers::node::deletion;
use crate::error::{ApiError, ErrorKind};
use crate::resources::node::READY;
use crate::resources::{Node, condition};
use crate::store::Store;

/// 200 with an empty body, as soon as the deletion is recorded.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<(), ApiError> {
    let node = store.get::<Node>(&name).await?;
    if node.is_deleting() {
        return Ok(());
    }
    let answers = condition::is_true(&node.status.conditions, READY);
    if let Some(stays) = deletion::obstacle(&store, &node, answers).await? {
        let message = format_args!("node {name} is not removed: {stays}");
        return Err(ApiError::new(ErrorKind::Conflict, message, stays.next_step()));
    }
    store.delete::<Node>(&name).await?;
    tracing::info!(node = name, "asked to remove");
    Ok(())
}
