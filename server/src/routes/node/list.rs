//! `GET /v1/nodes`

use aurochs_api::node::Node as NodeView;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::Node;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::node;
use crate::web::request_url::RequestUrl;

/// All nodes, by name.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<NodeView>>>, ApiError> {
    let nodes = store.list::<Node>().await?;
    let links = Links::of(&url);
    Ok(Json(envelope::collection("node", &url, nodes.iter().map(|found| node::resource(found, links)).collect())))
}
