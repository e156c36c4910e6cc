//! `GET /v1/volumeattachments`

use aurochs_api::attachment::VolumeAttachment as AttachmentView;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::VolumeAttachment;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::volume::attachment;
use crate::web::request_url::RequestUrl;

/// The attachments of all volumes, by name.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<AttachmentView>>>, ApiError> {
    let links = Links::of(&url);
    let found = store.list::<VolumeAttachment>().await?;
    let data = found.iter().map(|one| links.thing(one.name(), attachment(one.name(), Some(one))));
    Ok(Json(envelope::collection("volumeAttachment", &url, data.collect())))
}
