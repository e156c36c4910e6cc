//! `GET /v1/volumeattachments/{name}`

use aurochs_api::attachment::VolumeAttachment as AttachmentView;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::VolumeAttachment;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::volume::attachment;
use crate::web::request_url::RequestUrl;

/// The tickets of one volume.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<AttachmentView>>, ApiError> {
    let found = store.get::<VolumeAttachment>(&name).await?;
    Ok(Json(Links::of(&url).thing(&name, attachment(&name, Some(&found)))))
}
