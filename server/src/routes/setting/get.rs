//! `GET /v1/settings/{name}`

use aurochs_api::schema::Resource;
use aurochs_api::setting::Setting as SettingView;
use axum::Json;
use axum::extract::{Path, State};

use crate::error::ApiError;
use crate::resources::Setting;
use crate::settings;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::setting;
use crate::web::request_url::RequestUrl;

/// A setting as the API answers it.
pub type Answer = Json<Resource<SettingView>>;

/// One setting with its definition.
pub async fn handle(State(store): State<Store>, url: RequestUrl, Path(name): Path<String>) -> Result<Answer, ApiError> {
    let row = settings::definition(&name).ok_or_else(|| ApiError::not_found("setting", &name))?;
    let stored = store.find::<Setting>(&name).await?;
    Ok(Json(setting::resource(row, stored.as_ref(), Links::of(&url))))
}
