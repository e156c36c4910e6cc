//! `GET /v1/nodes/{name}`

use aurochs_api::node::Node as NodeView;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::Node;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::node;
use crate::web::request_url::RequestUrl;

/// A node as the API answers it.
pub type Answer = Json<Resource<NodeView>>;

/// One node.
pub async fn handle(State(store): State<Store>, url: RequestUrl, Path(name): Path<String>) -> Result<Answer, ApiError> {
    let found = store.get::<Node>(&name).await?;
    Ok(Json(node::resource(&found, Links::of(&url))))
}
