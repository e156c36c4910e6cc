//! `DELETE /v1/orphans/{name}`: the orphan and what it stands for.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::controllers::orphan::cleanable;
use crate::error::{ApiError, ErrorKind};
use crate::resources::node::READY;
use crate::resources::{Node, Orphan, condition};
use crate::routes::shown;
use crate::store::Store;

/// 200 with an empty body, as soon as the deletion is recorded. Refused while the node or disk is away: the wish would wait
/// for it, and be met at a moment when nobody thinks of it any more.
pub async fn handle(State(store): State<Store>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let orphan = store.get::<Orphan>(&name).await.map_err(|error| shown::unknown::<Orphan>(error, &name))?;
    if orphan.is_deleting() {
        return Ok(StatusCode::OK);
    }
    let node = store.find::<Node>(&orphan.spec.node_id).await?;
    let answers = node.as_ref().is_some_and(|node| condition::is_true(&node.status.conditions, READY));
    if let Err(refusal) = cleanable(&orphan.spec, node.as_ref(), answers)
        && !refusal.is_for_good()
    {
        let message = format_args!("orphan {name} is not deleted: {} ({})", refusal.message, refusal.reason);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Try again when that has changed; the data stays."));
    }
    store.delete::<Orphan>(&name).await?;
    tracing::info!(orphan = name, "asked to delete");
    Ok(StatusCode::OK)
}
