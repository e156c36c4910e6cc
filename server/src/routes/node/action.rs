//! `POST /v1/nodes/{name}?action=…`: finds the handler of an action.

use axum::extract::{Path, Query, State};

use super::{disk_update, get};
use crate::error::{ApiError, ErrorKind};
use crate::routes::body::Body;
use crate::routes::volume::action::ActionQuery;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// A node has one action.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
    Query(query): Query<ActionQuery>,
    Body(input): Body<disk_update::DiskUpdateInput>,
) -> Result<get::Answer, ApiError> {
    if query.action == "diskUpdate" {
        return disk_update::handle(&store, &url, &name, input).await;
    }
    let message = format_args!("a node has no action {:?}", query.action);
    Err(ApiError::new(ErrorKind::MethodNotAllowed, message, "The only one is diskUpdate."))
}
