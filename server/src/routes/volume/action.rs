//! `POST /v1/volumes/{name}?action=…`: finds the handler of an action.

use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::{
    attach, detach, replica_remove, snapshot_create, snapshot_delete, snapshot_get, snapshot_list, snapshot_revert,
    update_replica_count,
};
use crate::error::{ApiError, ErrorKind};
use crate::nouns::action::{ActionQuery, unknown_action};
use crate::resources::Volume;
use crate::routes::body::Body;
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// What every action works on.
#[derive(Clone, Debug)]
pub struct Target {
    pub volume: String,
    pub url: RequestUrl,
}

/// Every action. Bodies are read before the volume is looked for, so that a malformed one is always told.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(volume): Path<String>,
    Query(query): Query<ActionQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let target = Target { volume, url };
    match query.action.as_str() {
        "attach" => attach::handle(&store, &target, body(request).await?).await.map(respond),
        "detach" => detach::handle(&store, &target, body(request).await?).await.map(respond),
        "snapshotCreate" => snapshot_create::handle(&store, &target, body(request).await?).await.map(respond),
        "snapshotGet" => snapshot_get::handle(&store, &target, body(request).await?).await.map(respond),
        "snapshotList" => snapshot_list::handle(&store, &target).await.map(respond),
        "snapshotDelete" => snapshot_delete::handle(&store, &target, body(request).await?).await.map(respond),
        "snapshotRevert" => snapshot_revert::handle(&store, &target, body(request).await?).await.map(respond),
        "updateReplicaCount" => update_replica_count::handle(&store, &target, body(request).await?).await.map(respond),
        "replicaRemove" => replica_remove::handle(&store, &target, body(request).await?).await.map(respond),
        other => Err(unknown_action("volume", other)),
    }
}

fn respond(answer: impl IntoResponse) -> Response {
    answer.into_response()
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    Body::from_request(request, &()).await.map(|Body(body)| body)
}

impl Target {
    /// The volume's resource, unless it is going away.
    pub(crate) async fn volume(&self, store: &Store) -> Result<crate::resources::Object<Volume>, ApiError> {
        let volume = store.get::<Volume>(&self.volume).await?;
        if volume.is_deleting() {
            let message = format_args!("volume {} is being deleted", self.volume);
            return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until it is gone."));
        }
        Ok(volume)
    }
}
