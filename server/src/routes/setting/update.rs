//! `PUT /v1/settings/{name}`

use aurochs_api::setting::SettingUpdate;
use axum::Json;
use axum::extract::{Path, State};

use super::get;
use crate::error::{ApiError, ErrorKind};
use crate::resources::setting::SettingSpec;
use crate::resources::{Object, Setting};
use crate::routes::body::Body;
use crate::settings::{self, SettingError};
use crate::store::{Store, StoreError};
use crate::view::envelope::Links;
use crate::view::setting;
use crate::web::request_url::RequestUrl;

/// Answers with the setting as it is stored: trimmed, and for settings that differ by data engine as an object.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(update): Body<SettingUpdate>,
) -> Result<get::Answer, ApiError> {
    let row = settings::definition(&name).ok_or_else(|| ApiError::not_found("setting", &name))?;
    let value = settings::check(&name, &update.value)?;
    let stored = match store.modify::<Setting>(&name, |setting| setting.spec.value.clone_from(&value)).await {
        Err(StoreError::NotFound { .. }) => {
            store.create(&Object::new(&name, SettingSpec { value: value.clone() })).await
        }
        result => result,
    };
    tracing::info!(setting = name, value, "changed");
    Ok(Json(setting::resource(row, Some(&stored?), Links::of(&url))))
}

impl From<SettingError> for ApiError {
    fn from(error: SettingError) -> Self {
        let kind = match &error {
            SettingError::Unknown(_) => ErrorKind::NotFound,
            SettingError::ReadOnly(_) => ErrorKind::Conflict,
            SettingError::Empty { .. } | SettingError::Value { .. } => ErrorKind::Invalid,
        };
        let next_step = match &error {
            SettingError::Unknown(_) => "GET /v1/settings lists them.".to_owned(),
            SettingError::ReadOnly(_) => "Leave it as it is.".to_owned(),
            SettingError::Empty { expected, .. } | SettingError::Value { expected, .. } => format!("Give {expected}."),
        };
        Self::new(kind, error, next_step)
    }
}
