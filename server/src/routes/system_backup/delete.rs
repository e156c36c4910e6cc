//! `DELETE /v1/systembackups/{name}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::auth::User;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::{SystemBackup, SystemRestore};
use crate::routes::shown;
use crate::store::Store;

/// It goes when it is gone from the target.
pub async fn handle(
    State(store): State<Store>,
    State(jobs): State<Jobs>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let restores = store.list::<SystemRestore>().await?;
    let reads = restores.iter().find(|restore| restore.spec.system_backup == name && !restore.has_ended());
    if let Some(restore) = reads {
        let message = format_args!("system backup {name} is not deleted: {} restores it", restore.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Let that end first."));
    }
    jobs.expect(keys::system_backup_deletion(&name), StartedBy::User(user.name));
    shown::delete::<SystemBackup>(State(store), Path(name)).await
}
