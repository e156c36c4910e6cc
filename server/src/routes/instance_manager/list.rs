//! `GET /v1/instancemanagers`

use aurochs_api::instance_manager::InstanceManager as InstanceManagerView;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::InstanceManager;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::instance_manager;
use crate::web::request_url::RequestUrl;

/// All instance managers, by name.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<InstanceManagerView>>>, ApiError> {
    let managers = store.list::<InstanceManager>().await?;
    let links = Links::of(&url);
    let data = managers.iter().map(|found| instance_manager::resource(found, links)).collect();
    Ok(Json(envelope::collection("instanceManager", &url, data)))
}
