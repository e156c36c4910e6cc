//! `POST /v1/systemrestores`

use aurochs_api::system_restore::SystemRestoreCreateInput;
use aurochs_api::volume::VolumeState;
use axum::Json;
use axum::extract::State;

use crate::auth::User;
use crate::controllers::job::keys;
use crate::controllers::system_backup;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::system_backup::SystemBackupState;
use crate::resources::system_restore::SystemRestoreSpec;
use crate::resources::{Object, SystemBackup, SystemRestore, Volume};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::routes::system_backup::create::check_name;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// How many of the volumes in the way are named.
const NAMED_MAXIMUM: usize = 5;

/// Answers with the restore, which begins at once.
pub async fn handle(
    State(store): State<Store>,
    State(jobs): State<Jobs>,
    url: RequestUrl,
    user: User,
    Body(input): Body<SystemRestoreCreateInput>,
) -> Result<shown::One<SystemRestore>, ApiError> {
    let name = input.name.as_str();
    check_name("system restore", name)?;
    check_backup(&store, &input.system_backup).await?;
    if let Some(why) = system_backup::obstacle(&store).await? {
        let message = format_args!("system backup {} can't be restored: {why}", input.system_backup);
        return Err(conflict(message, "Mend the backup target first."));
    }
    check_alone(&store).await?;
    check_detached(&store).await?;
    jobs.expect(keys::system_restore(name), StartedBy::User(user.name));
    let wish = Object::<SystemRestore>::new(name, SystemRestoreSpec { system_backup: input.system_backup });
    let made = store.create(&wish).await?;
    tracing::info!(name, backup = made.spec.system_backup, "system restore asked for");
    Ok(Json(resource(&made, Links::of(&url))))
}

fn conflict(message: impl std::fmt::Display, next_step: &str) -> ApiError {
    ApiError::new(ErrorKind::Conflict, message, next_step)
}

async fn check_backup(store: &Store, name: &str) -> Result<(), ApiError> {
    let found = store.find::<SystemBackup>(name).await?;
    match found.filter(|backup| !backup.is_deleting()) {
        None => Err(ApiError::not_found("systemBackup", name)),
        Some(backup) if backup.status.state == SystemBackupState::Ready => Ok(()),
        Some(_) => {
            let message = format_args!("system backup {name} is not complete");
            Err(conflict(message, "Let it end, or restore another one."))
        }
    }
}

async fn check_alone(store: &Store) -> Result<(), ApiError> {
    let others = store.list::<SystemRestore>().await?;
    match others.iter().find(|other| !other.has_ended()) {
        None => Ok(()),
        Some(other) => {
            let message = format_args!("system restore {} is under way", other.name());
            Err(conflict(message, "One is done at a time: let that one end."))
        }
    }
}

/// What is in use is not what a backup of earlier days is to change around.
async fn check_detached(store: &Store) -> Result<(), ApiError> {
    let volumes = store.list::<Volume>().await?;
    let is_used =
        |volume: &&Object<Volume>| !volume.spec.node_id.is_empty() || volume.status.state != VolumeState::Detached;
    let used: Vec<&str> = volumes.iter().filter(is_used).map(Object::name).collect();
    if used.is_empty() {
        return Ok(());
    }
    let named = used.iter().take(NAMED_MAXIMUM).copied().collect::<Vec<_>>().join(", ");
    let more = if used.len() > NAMED_MAXIMUM { ", …" } else { "" };
    let message =
        format_args!("a system is restored while all volumes are detached, and {} are not: {named}{more}", used.len());
    Err(conflict(message, "Detach these volumes; activate or delete standby volumes."))
}
