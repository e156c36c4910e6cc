//! `PUT /v1/settings/{name}`

use aurochs_api::setting::SettingUpdate;
use axum::Json;
use axum::extract::{Path, State};

use super::get;
use crate::error::{ApiError, ErrorKind};
use crate::resources::engine::InstanceState;
use crate::resources::setting::SettingSpec;
use crate::resources::{Engine, Object, Setting};
use crate::routes::body::Body;
use crate::settings::{self, Name, SettingError, Settings, check};
use crate::store::{Store, StoreError};
use crate::view::envelope::Links;
use crate::view::setting;
use crate::web::request_url::RequestUrl;

/// Answers with the setting as it is stored: trimmed, and for settings that differ by data engine as an object. It is
/// in force when the answer comes.
pub async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(update): Body<SettingUpdate>,
) -> Result<get::Answer, ApiError> {
    let row = settings::definition(&name).ok_or_else(|| ApiError::not_found("setting", &name))?;
    let stored = put(&store, &settings, &name, &update.value).await?;
    Ok(Json(setting::resource(row, Some(&stored), Links::of(&url))))
}

/// Checks a value, alone and beside the others, and stores it; it is in force when this returns.
pub(crate) async fn put(
    store: &Store,
    settings: &Settings,
    name: &str,
    value: &str,
) -> Result<Object<Setting>, ApiError> {
    let row = settings::definition(name).ok_or_else(|| ApiError::not_found("setting", name))?;
    let value = settings::check(name, value)?;
    let one_at_a_time = settings.writing().await;
    check_present(store, settings, row.name, &value).await?;
    let stored = match store.modify::<Setting>(name, |setting| setting.spec.value.clone_from(&value)).await {
        Err(StoreError::NotFound { .. }) => {
            store.create(&Object::new(name, SettingSpec { value: value.clone() })).await
        }
        result => result,
    }?;
    settings.take(&stored);
    drop(one_at_a_time);
    tracing::info!(setting = name, value, "changed");
    Ok(stored)
}

/// Whether a value, which is good by itself, goes together with what is there now.
pub(crate) async fn check_present(store: &Store, settings: &Settings, name: Name, value: &str) -> Result<(), ApiError> {
    check::against_others(name, value, |other| settings.text(other))?;
    if name == Name::V1DataEngine && value == "false" {
        refuse_while_engines_run(store).await?;
    }
    Ok(())
}

/// How many of the volumes in the way are named.
const NAMED_MAXIMUM: usize = 5;

/// A data engine that is in use stays on: turning it off would promise what is not so.
async fn refuse_while_engines_run(store: &Store) -> Result<(), ApiError> {
    let engines = store.list::<Engine>().await?;
    let is_used = |engine: &&Object<Engine>| {
        engine.spec.desire_state == InstanceState::Running || engine.status.current_state != InstanceState::Stopped
    };
    let used: Vec<&str> = engines.iter().filter(is_used).map(|engine| engine.spec.volume_name.as_str()).collect();
    if used.is_empty() {
        return Ok(());
    }
    let (named, more) =
        (used.iter().take(NAMED_MAXIMUM).copied().collect::<Vec<_>>().join(", "), used.len() > NAMED_MAXIMUM);
    let message = format!(
        "the setting v1-data-engine can't be turned off while {} of its volumes are attached: {named}{}",
        used.len(),
        if more { ", …" } else { "" }
    );
    Err(ApiError::new(ErrorKind::Conflict, message, "Detach these volumes first."))
}

impl From<SettingError> for ApiError {
    fn from(error: SettingError) -> Self {
        let kind = match &error {
            SettingError::NotYet { name, value, feature } => {
                return Self::not_yet(*feature, format_args!("setting {name} to {value:?}"));
            }
            SettingError::Unknown(_) => ErrorKind::NotFound,
            SettingError::ReadOnly(_) | SettingError::Excluded { .. } => ErrorKind::Conflict,
            SettingError::Empty { .. } | SettingError::Value { .. } | SettingError::Long { .. } => ErrorKind::Invalid,
        };
        let next_step = match &error {
            SettingError::Unknown(_) => "GET /v1/settings lists them.".to_owned(),
            SettingError::ReadOnly(_) | SettingError::NotYet { .. } => "Leave it as it is.".to_owned(),
            SettingError::Empty { expected, .. } | SettingError::Value { expected, .. } => format!("Give {expected}."),
            SettingError::Long { .. } => "Give a shorter one.".to_owned(),
            SettingError::Excluded { other, .. } => format!("Change {other} first."),
        };
        Self::new(kind, error, next_step)
    }
}
