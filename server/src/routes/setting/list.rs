//! `GET /v1/settings`

use std::collections::BTreeMap;

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::setting::Setting as SettingView;
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::Setting;
use crate::settings;
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::view::setting;
use crate::web::request_url::RequestUrl;

/// All settings, in the order of their names; those that were never written have their defaults.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
) -> Result<Json<Collection<Resource<SettingView>>>, ApiError> {
    let stored = store.list::<Setting>().await?;
    let stored: BTreeMap<&str, _> = stored.iter().map(|setting| (setting.name(), setting)).collect();
    let links = Links::of(&url);
    let data = settings::all().iter().map(|row| setting::resource(row, stored.get(row.name.word()).copied(), links));
    Ok(Json(envelope::collection("setting", &url, data.collect())))
}
