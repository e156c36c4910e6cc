//! `GET /v1/volumes/{name}`

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::world::World;
use crate::web::request_url::RequestUrl;

/// A volume as the API answers it.
pub type Answer = Json<Resource<Volume>>;

/// One volume.
pub async fn handle(State(store): State<Store>, url: RequestUrl, Path(name): Path<String>) -> Result<Answer, ApiError> {
    view(&store, &url, &name).await.map(Json)
}

/// The volume as it is now: also the answer of what changes it.
pub async fn view(store: &Store, url: &RequestUrl, name: &str) -> Result<Resource<Volume>, ApiError> {
    let world = World::load_volume(store, name).await?;
    world.volume(name, Links::of(url)).ok_or_else(|| ApiError::not_found("volume", name))
}
