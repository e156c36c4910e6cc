//! `GET /v1/volumes`

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::volume::Volume;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::world::World;
use crate::web::request_url::RequestUrl;

/// All volumes, by name.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<Volume>>>, ApiError> {
    let links = Links::of(&url);
    let world = World::load_volumes(&store).await?;
    let mut list = envelope::collection("volume", &url, world.volumes(links));
    list.create_types = Some([("volume".to_owned(), links.collection("volume"))].into());
    Ok(Json(list))
}
