//! `backupTargetUpdate` and `PUT /v1/backuptargets/{name}`: changes a target.

use aurochs_api::backup_target::{BackupTarget as BackupTargetView, BackupTargetInput};
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use super::poll_interval;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
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
    let changed = change(&target.app.store, &target.name, &input).await?;
    Ok(resource(&changed, Links::of(&target.url)))
}

/// The `PUT`. Answers with the target.
pub async fn put(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(input): Body<BackupTargetInput>,
) -> Result<shown::One<BackupTarget>, ApiError> {
    let changed = change(&store, &name, &input).await?;
    Ok(Json(resource(&changed, Links::of(&url))))
}

async fn change(store: &Store, name: &str, input: &BackupTargetInput) -> Result<Object<BackupTarget>, ApiError> {
    let seconds = poll_interval::parse(&input.poll_interval)?;
    let unknown = |error| shown::unknown::<BackupTarget>(error, name);
    let before = store.get::<BackupTarget>(name).await.map_err(unknown)?;
    let url = input.backup_target_url.trim();
    if url != before.spec.backup_target_url {
        return Err(ApiError::not_yet(Feature::Backups, format_args!("giving backup target {name} another address")));
    }
    if input.credential_secret.contains(char::is_whitespace) {
        let message = format_args!(
            "the credentialSecret {:?} of backup target {name} has a blank in it",
            input.credential_secret
        );
        return Err(ApiError::new(ErrorKind::Invalid, message, "Give the name of a secret, or nothing."));
    }
    let changed = store.modify::<BackupTarget>(name, |target| {
        target.spec.credential_secret.clone_from(&input.credential_secret);
        target.spec.poll_interval = poll_interval::go_text(seconds);
    });
    let changed = changed.await.map_err(unknown)?;
    tracing::info!(target = name, "backup target changed");
    Ok(changed)
}
