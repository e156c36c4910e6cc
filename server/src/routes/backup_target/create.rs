//! `POST /v1/backuptargets`

use aurochs_api::backup_target::BackupTargetInput;
use axum::Json;
use axum::extract::State;

use super::check;
use crate::backups::Backups;
use crate::error::{ApiError, ErrorKind};
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::{BackupTarget, Object};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// Answers with the target; whether it can be used shows a moment later.
pub async fn handle(
    State(store): State<Store>,
    State(backups): State<Backups>,
    url: RequestUrl,
    Body(input): Body<BackupTargetInput>,
) -> Result<shown::One<BackupTarget>, ApiError> {
    check::name(&input.name)?;
    let spec = check::spec(&input.name, &BackupTargetSpec::default(), &input)?;
    if store.find::<BackupTarget>(&input.name).await?.is_some() {
        let message = format_args!("backup target {} already exists", input.name);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Choose another name, or change that one."));
    }
    check::is_alone(&store, &input.name, &spec.backup_target_url).await?;
    // The secret first: a target without it would fail before it has it.
    if let Some(given) = input.credentials.filter(|given| !given.is_empty()) {
        check::owns_secret(&store, &input.name, &spec.credential_secret).await?;
        backups.credentials().set(&spec.credential_secret, &given)?;
    }
    let made = store.create(&Object::<BackupTarget>::new(&input.name, spec)).await?;
    tracing::info!(target = made.name(), "backup target created");
    Ok(Json(resource(&made, Links::of(&url))))
}
