//! `GET /v1/supportbundles/{node}/{name}`

use aurochs_api::schema::Resource;
use aurochs_api::support_bundle::SupportBundle as SupportBundleView;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::{Object, SupportBundle};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::support_bundle;
use crate::web::request_url::RequestUrl;

/// One support bundle.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path((node, name)): Path<(String, String)>,
) -> Result<Json<Resource<SupportBundleView>>, ApiError> {
    let found = find(&store, &node, &name).await?;
    Ok(Json(support_bundle::resource(&found, Links::of(&url))))
}

/// The bundle of this name, if it is that node's.
pub(super) async fn find(store: &Store, node: &str, name: &str) -> Result<Object<SupportBundle>, ApiError> {
    let found = store.find::<SupportBundle>(name).await?.filter(|bundle| bundle.status.owner_id == node);
    found.ok_or_else(|| ApiError::not_found("supportBundle", name))
}
