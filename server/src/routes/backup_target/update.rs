//! `backupTargetUpdate` and `PUT /v1/backuptargets/{name}`: changes a target.

use aurochs_api::backup_target::{BackupTarget as BackupTargetView, BackupTargetInput};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use super::{check, request};
use crate::backups::Backups;
use crate::error::ApiError;
use crate::nouns::action::Target;
use crate::resources::{BackupTarget, Object};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// The action. Answers with the target.
pub async fn handle(target: Target, input: BackupTargetInput) -> Result<Resource<BackupTargetView>, ApiError> {
    let changed = change(&target.app.store, &target.app.backups, &target.name, &input).await?;
    Ok(resource(&changed, Links::of(&target.url)))
}

/// The `PUT`. Answers with the target.
pub async fn put(
    State(store): State<Store>,
    State(backups): State<Backups>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(input): Body<BackupTargetInput>,
) -> Result<shown::One<BackupTarget>, ApiError> {
    let changed = change(&store, &backups, &name, &input).await?;
    Ok(Json(resource(&changed, Links::of(&url))))
}

/// With another address, what the resources show goes, and what is at the new one comes. Nothing in a store is touched.
async fn change(
    store: &Store,
    backups: &Backups,
    name: &str,
    input: &BackupTargetInput,
) -> Result<Object<BackupTarget>, ApiError> {
    let unknown = |error| shown::unknown::<BackupTarget>(error, name);
    let before = store.get::<BackupTarget>(name).await.map_err(unknown)?;
    let spec = check::spec(name, &before.spec, input)?;
    if spec.backup_target_url != before.spec.backup_target_url {
        check::is_alone(store, name, &spec.backup_target_url).await?;
        check::nobody_follows(store, name, "giving another address to").await?;
    }
    let mut is_asked_for = spec.credential_secret != before.spec.credential_secret;
    if let Some(given) = &input.credentials {
        check::owns_secret(store, name, &spec.credential_secret).await?;
        match (given.is_empty(), spec.credential_secret.is_empty()) {
            (false, _) => backups.credentials().set(&spec.credential_secret, given)?,
            (true, false) => backups.credentials().remove(&spec.credential_secret)?,
            (true, true) => {}
        }
        is_asked_for = true;
    }
    let changed = store.modify::<BackupTarget>(name, |target| {
        target.spec = spec.clone();
        // Other credentials are tried at once.
        if is_asked_for {
            target.spec.sync_requested_at = request::now();
        }
    });
    let changed = changed.await.map_err(unknown)?;
    tracing::info!(target = name, "backup target changed");
    Ok(changed)
}
