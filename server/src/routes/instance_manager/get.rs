//! `GET /v1/instancemanagers/{name}`

use aurochs_api::instance_manager::InstanceManager as InstanceManagerView;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::InstanceManager;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::instance_manager;
use crate::web::request_url::RequestUrl;

/// One instance manager with its processes.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<InstanceManagerView>>, ApiError> {
    let found = store.get::<InstanceManager>(&name).await?;
    Ok(Json(instance_manager::resource(&found, Links::of(&url))))
}
