//! `GET /v1/supportbundles`

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::support_bundle::SupportBundle as SupportBundleView;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::SupportBundle;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::support_bundle;
use crate::web::request_url::RequestUrl;

/// All support bundles, by name.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<SupportBundleView>>>, ApiError> {
    let found = store.list::<SupportBundle>().await?;
    let data = found.iter().map(|bundle| support_bundle::resource(bundle, Links::of(&url))).collect();
    Ok(Json(envelope::collection("supportBundle", &url, data)))
}
